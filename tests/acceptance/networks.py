"""Checkpoints of every kind of network, with weights drawn by lot, that a job can be given by their path."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.models.states import State, compact_state, rrdb_state
from tests.models.test_foreign import span


def tamed(state: State, last: str, *, level: float = 0.0, gain: float = 0.1) -> State:
    """Weights whose result stays between black and white, where differences show.

    Args:
        state: the weights.
        last: name of the last convolution.
        level: what its biases are.
        gain: what its weights are multiplied by.
    """
    scaled = {f"{last}.weight": state[f"{last}.weight"] * gain}
    return state | scaled | {f"{last}.bias": torch.full_like(state[f"{last}.bias"], level)}


def compact(seed: int = 1) -> State:
    return tamed(compact_state(16, 3, 4, seed=seed), "body.8")


def rrdb(scale: int) -> State:
    return tamed(rrdb_state(16, 1, scale, 8), "conv_last", level=0.5)


NETWORKS: dict[str, Callable[[], State]] = {
    "compact-x4.pth": compact,
    "compact-x2.safetensors": lambda: tamed(compact_state(16, 3, 2, seed=2), "body.8"),
    "rrdb-x4.safetensors": lambda: rrdb(4),
    "rrdb-x2.pth": lambda: rrdb(2),
    "span-x2.pth": lambda: tamed(span(), "upsampler.0", level=0.5, gain=0.1),
}
"""Networks of every kind by the names of their files."""


def write(folder: Path, name: str, state: State | None = None) -> Path:
    """A file of weights, of one of `NETWORKS` where no state is given."""
    path = folder / name
    state = NETWORKS[name]() if state is None else state
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return path
