"""State dicts of the published networks, with weights drawn by lot, and files of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sakuga.errors import WeightsError
from sakuga.models.networks.checkpoint import load_checkpoint

State = dict[str, Tensor]


def compact_state(
    features: int = 64, convolutions: int = 16, scale: int = 4, *, seed: int = 1, prelu: bool = True
) -> State:
    """Names as in realesr-animevideov3.pth and realesr-general-x4v3.pth."""
    draw = np.random.default_rng(seed)
    state: State = {}
    channels = 3
    for index in range(convolutions + 1):
        state |= _convolution(f"body.{2 * index}", channels, features, draw)
        if prelu:
            slopes = draw.uniform(0.05, 0.4, features).astype(np.float32)
            state[f"body.{2 * index + 1}.weight"] = torch.from_numpy(slopes)
        channels = features
    return state | _convolution(f"body.{2 * convolutions + 2}", channels, 3 * scale**2, draw)


def rrdb_state(
    features: int = 64, blocks: int = 23, scale: int = 4, growth: int = 32, *, seed: int = 1
) -> State:
    """Names as in RealESRGAN_x4plus.pth."""
    draw = np.random.default_rng(seed)
    state: State = {}
    for name, entering, leaving in _rrdb_layers(features, blocks, scale, growth):
        state |= _convolution(name, entering, leaving, draw)
    return state


def small() -> State:
    return compact_state(8, 2, 2)


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def same(one: State, other: State) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def wrong(path: Path, *words: str) -> None:
    """The file is refused under its own name, for a reason that holds these words."""
    with pytest.raises(WeightsError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert path.name in message
    for word in words:
        assert word in message, message


def _rrdb_layers(features: int, blocks: int, scale: int, growth: int) -> Iterator[tuple[str, int, int]]:
    yield "conv_first", 3 * {4: 1, 2: 4, 1: 16}[scale], features
    for block in range(blocks):
        for dense in (1, 2, 3):
            for layer in range(4):
                yield f"body.{block}.rdb{dense}.conv{layer + 1}", features + layer * growth, growth
            yield f"body.{block}.rdb{dense}.conv5", features + 4 * growth, features
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        yield name, features, features
    yield "conv_last", features, 3


def _convolution(name: str, entering: int, leaving: int, draw: np.random.Generator) -> State:
    spread = np.sqrt(2 / (9 * entering))  # keeps the spread of values from layer to layer
    weight = draw.standard_normal((leaving, entering, 3, 3), np.float32) * np.float32(spread)
    bias = draw.standard_normal(leaving, np.float32) * np.float32(0.05)
    return {f"{name}.weight": torch.from_numpy(weight), f"{name}.bias": torch.from_numpy(bias)}
