"""Networks out of files: the official ones, and any other that a person has."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from sakuga.errors import OptionError, UnreadableMediaError, WeightsError
from sakuga.media.ref import file_digest
from sakuga.models.base import ModelCard
from sakuga.models.networks.base import SuperResolver
from sakuga.models.networks.compact import SRVGGNetCompact
from sakuga.models.networks.foreign import ForeignNetwork, foreign_network
from sakuga.models.networks.rrdb import RRDBNet
from sakuga.models.networks.state import read_state

__all__ = [
    "DENOISE",
    "build_network",
    "card_of_checkpoint",
    "digest_of_checkpoint",
    "load_checkpoint",
    "read_state",
]

DENOISE = 0.5
"""Strength where none is chosen, as in Real-ESRGAN's own script."""

OFFICIAL: Mapping[str, Callable[[], SuperResolver]] = {
    "realesr-animevideov3": partial(SRVGGNetCompact, 64, 16, 4),
    "realesr-general-x4v3": partial(SRVGGNetCompact, 64, 32, 4),
    "realesrgan-x4plus": partial(RRDBNet, 64, 23, 4),
    "realesrgan-x4plus-anime-6b": partial(RRDBNet, 64, 6, 4),
    "realesrgan-x2plus": partial(RRDBNet, 64, 23, 2),
}
"""Shapes of the published networks by the names of their cards."""

NAME_LENGTH = 40
DIGEST_LENGTH = 12
SHOWN_NAMES = 3

_Network = TypeVar("_Network", bound=SuperResolver)


def build_network(card: ModelCard, paths: Sequence[Path], denoise: float | None = None) -> SuperResolver:
    """The network of a card with weights from its files, on the CPU in fp32, ready to infer.

    Args:
        card: of one of the published networks.
        paths: its files, in the card's order; a second one holds the weights that remove no noise.
        denoise: strength of noise removal from 0 to 1, `DENOISE` where it is None.

    Raises:
        OptionError: the network is not one of these, or `denoise` is out of range or for another network.
        WeightsError: a file is not what it should be.
    """
    if card.name not in OFFICIAL:
        raise OptionError(
            f"{card.name!r} is not one of the published networks; choose one of {', '.join(OFFICIAL)}."
        )
    if denoise is not None and len(paths) != 2:
        raise OptionError(f"{card.name} has no denoise strength; leave it out.")
    strength = DENOISE if denoise is None else denoise
    if not 0 <= strength <= 1:
        raise OptionError(f"A denoise strength goes from 0 to 1; {strength} does not.")
    states = []
    for path in paths:
        state = read_state(path)
        _check_fit(_empty(OFFICIAL[card.name]), state, f"{str(path)!r} is not {card.name}")
        states.append(state)
    state = states[0] if len(states) == 1 else _blend(states[0], states[1], strength)
    return _filled(_empty(OFFICIAL[card.name]), state)


def load_checkpoint(path: Path) -> SuperResolver:
    """The network of any checkpoint, on the CPU in fp32, ready to infer.

    Networks of Real-ESRGAN and ESRGAN's newer layout are built in; others are left to spandrel.

    Raises:
        MissingToolError: the network needs spandrel, which is not installed.
        WeightsError: the file is not what it should be, or its network does not make RGB pictures larger.
    """
    state, shown = read_state(path), repr(str(path))
    network: SuperResolver | None = None
    try:
        if SRVGGNetCompact.knows(state):
            network = _empty(lambda: SRVGGNetCompact.like(state))
        elif RRDBNet.knows(state):
            network = _empty(lambda: RRDBNet.like(state))
    except WeightsError as error:
        raise WeightsError(f"{shown} cannot be used: {error}") from error
    if network is not None:
        _check_fit(network, state, f"{shown} is no whole {type(network).__name__}")
        _filled(network, state)
    else:
        network = foreign_network(state, shown).eval().requires_grad_(False)
    if network.scale < 2:
        raise WeightsError(
            f"{shown} holds a network that keeps the size of a picture; choose one for super resolution."
        )
    return network


def card_of_checkpoint(path: Path) -> ModelCard:
    """What a checkpoint says about itself; its name tells the file's name and content, and is no path.

    Raises:
        MissingToolError: as `load_checkpoint`.
        WeightsError: as `load_checkpoint`.
    """
    network = load_checkpoint(path)
    kind = network.architecture if isinstance(network, ForeignNetwork) else type(network).__name__
    stem = re.sub(r"[^a-z0-9]+", "-", path.stem.lower())[:NAME_LENGTH].strip("-") or "checkpoint"
    return ModelCard(
        name=f"{stem}-{digest_of_checkpoint(path)[:DIGEST_LENGTH]}",
        architecture=kind,
        scale=network.scale,
        purpose="A checkpoint of your own.",
        licence="unknown",
        domain="any",
        radius=network.radius,
    )


def digest_of_checkpoint(path: Path) -> str:
    """SHA-256 of a file of weights, 64 hexadecimal digits.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        return file_digest(path)[0]
    except UnreadableMediaError as error:
        raise WeightsError(str(error)) from error


def _blend(general: Mapping[str, Tensor], gentle: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    """Weights between two networks of one shape: Real-ESRGAN's deep network interpolation.

    Source: Wang, Yu, Dong, Tang and Loy, "Deep network interpolation", 2019.
    """
    if strength == 1:
        return dict(general)
    return {name: strength * tensor + (1 - strength) * gentle[name] for name, tensor in general.items()}


def _empty(make: Callable[[], _Network]) -> _Network:
    """A network whose tensors have shapes and no values: what a file brings needs no random start."""
    with torch.device("meta"):
        return make()


def _filled(network: _Network, state: Mapping[str, Tensor]) -> _Network:
    network.load_state_dict(dict(state), strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _check_fit(network: SuperResolver, state: Mapping[str, Tensor], complaint: str) -> None:
    """Refuse tensors that are not exactly the network's, and say which ones."""
    wanted = network.state_dict()
    reasons = {
        "missing": [repr(name) for name in wanted if name not in state],
        "not of this network": [repr(name) for name in state if name not in wanted],
        "of another shape": [
            f"{name!r} is {_shape(state[name])} and not {_shape(tensor)}"
            for name, tensor in wanted.items()
            if name in state and _shape(state[name]) != _shape(tensor)
        ],
    }
    said = [f"{reason}: {_some(tensors)}" for reason, tensors in reasons.items() if tensors]
    if said:
        raise WeightsError(f"{complaint}; tensors {'; '.join(said)}.")


def _shape(tensor: Tensor) -> str:
    kind = "" if tensor.dtype is torch.float32 else f" {tensor.dtype}"
    return f"{tuple(tensor.shape)}{kind}"


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(item[:120] for item in items[:SHOWN_NAMES])
    more = len(items) - SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
