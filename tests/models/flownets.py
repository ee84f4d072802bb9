"""Files of RIFE's weights without anyone's training, and what the network is by a plain formula."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sakuga.models.networks.ifnet import SCALES, IFNet

Array = NDArray[np.float64]
STEP, MASK = slice(0, 16), slice(16, 20)
"""Outputs of a block's last layer that are shuffled to flow, x first, and to the mask: four of each."""


def random_state(seed: int) -> dict[str, Tensor]:
    """Weights that give motion of some pixels, and a mask that varies."""
    torch.manual_seed(seed)
    state = IFNet().state_dict()
    for name, tensor in state.items():
        if name.endswith("beta"):
            tensor.uniform_(0.2, 0.7)
        elif name.endswith("lastconv.0.weight"):
            tensor.mul_(4)
    return state


def constant_state(
    to_left: tuple[float, float], to_right: tuple[float, float], logit: float = 0
) -> dict[str, Tensor]:
    """Weights that give the same flow, in pixels, and the same mask before its sigmoid, whatever they see."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in IFNet().state_dict().items()}
    state = {name: torch.zeros(shape) for name, shape in shapes.items()}
    flow = torch.tensor([*to_left, *to_right]).repeat_interleave(4)
    state["block0.lastconv.0.bias"][STEP] = flow / SCALES[0]
    state["block4.lastconv.0.bias"][MASK] = logit
    return state


def save_flownet(path: Path, state: dict[str, Tensor]) -> Path:
    """Save weights as their authors do: under a wrapper's prefix, with parts of the training."""
    whole = {**state, "teacher.conv0.0.0.weight": torch.ones(2), "caltime.0.bias": torch.ones(3)}
    torch.save({f"module.{name}": tensor for name, tensor in whole.items()}, path)
    return path


class Formula:
    """The network in double precision, sum by sum; arrays are (channels, height, width)."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self._state = {name: tensor.double().numpy() for name, tensor in state.items()}

    def between(self, left: Array, right: Array, t: float) -> tuple[Array, Array, Array]:
        """Flow, the left picture's share, and the picture at time `t`."""
        seen = [left, right, self._features(left), self._features(right)]
        time = np.full((1, *left.shape[1:]), t)
        flow, mask, hidden = self._block(0, np.concatenate((*seen, time)))
        for number in range(1, len(SCALES)):
            ways = (flow[:2], flow[2:], flow[:2], flow[2:])
            moved = [warped(image, way) for image, way in zip(seen, ways, strict=True)]
            step, mask, hidden = self._block(number, np.concatenate((*moved, time, mask, hidden)), flow)
            flow = flow + step
        share = 1 / (1 + np.exp(-mask))
        return flow, share, share * warped(left, flow[:2]) + (1 - share) * warped(right, flow[2:])

    def _features(self, image: Array) -> Array:
        x = leaky(self._conv("encode.cnn0", image, 2))
        for name in ("encode.cnn1", "encode.cnn2"):
            x = leaky(self._conv(name, x))
        return self._upward("encode.cnn3", x)

    def _block(self, number: int, x: Array, flow: Array | None = None) -> tuple[Array, Array, Array]:
        name, scale = f"block{number}", SCALES[number]
        x = resized(x, x.shape[1] // scale, x.shape[2] // scale)
        if flow is not None:
            x = np.concatenate((x, resized(flow, x.shape[1], x.shape[2]) / scale))
        for layer in range(2):
            x = leaky(self._conv(f"{name}.conv0.{layer}.0", x, 2))
        for layer in range(8):
            part = f"{name}.convblock.{layer}"
            x = leaky(self._conv(f"{part}.conv", x) * self._state[f"{part}.beta"][0] + x)
        x = shuffled(self._upward(f"{name}.lastconv.0", x))
        x = resized(x, x.shape[1] * scale, x.shape[2] * scale)
        return x[:4] * scale, x[4:5], x[5:]

    def _conv(self, name: str, x: Array, stride: int = 1) -> Array:
        """3x3 convolution, zeros around."""
        weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        height, width = x.shape[1], x.shape[2]
        result = np.zeros((len(bias), -(-height // stride), -(-width // stride))) + bias[:, None, None]
        for dy in range(3):
            for dx in range(3):
                part = padded[:, dy : dy + height : stride, dx : dx + width : stride]
                result += np.tensordot(weight[:, :, dy, dx], part, 1)
        return np.asarray(result)

    def _upward(self, name: str, x: Array) -> Array:
        """Transposed 4x4 convolution of stride 2 and padding 1: every sample adds a square of 4 by 4."""
        weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        height, width = x.shape[1], x.shape[2]
        result = np.zeros((len(bias), 2 * height + 2, 2 * width + 2))
        for dy in range(4):
            for dx in range(4):
                result[:, dy : dy + 2 * height : 2, dx : dx + 2 * width : 2] += np.tensordot(
                    weight[:, :, dy, dx].T, x, 1
                )
        return np.asarray(result[:, 1:-1, 1:-1] + bias[:, None, None])


def leaky(x: Array) -> Array:
    """Leaky rectifier of slope 0.2."""
    return np.where(x > 0, x, 0.2 * x)


def shuffled(x: Array) -> Array:
    """Four channels to the four pixels of a square."""
    channels, height, width = x.shape
    squares = x.reshape(channels // 4, 2, 2, height, width)
    return np.asarray(squares.transpose(0, 3, 1, 4, 2).reshape(channels // 4, 2 * height, 2 * width))


def resized(x: Array, height: int, width: int) -> Array:
    """Bilinear resampling of point samples, pixel edges at pixel edges."""
    return sampled(x, *np.meshgrid(centres(height, x.shape[1]), centres(width, x.shape[2]), indexing="ij"))


def centres(count: int, before: int) -> Array:
    return np.asarray((np.arange(count) + 0.5) * before / count - 0.5)


def warped(image: Array, flow: Array) -> Array:
    """`image` where flow, x first, points to from every pixel."""
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    return sampled(image, y + flow[1], x + flow[0])


def sampled(image: Array, y: Array, x: Array) -> Array:
    """Bilinear samples at places, edges repeated."""
    y, x = y.clip(0, image.shape[1] - 1), x.clip(0, image.shape[2] - 1)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    below, right = np.minimum(top + 1, image.shape[1] - 1), np.minimum(left + 1, image.shape[2] - 1)
    v, u = y - top, x - left
    upper = image[:, top, left] * (1 - u) + image[:, top, right] * u
    lower = image[:, below, left] * (1 - u) + image[:, below, right] * u
    return np.asarray(upper * (1 - v) + lower * v)
