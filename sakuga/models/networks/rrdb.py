"""RRDBNet: residual-in-residual dense blocks, large and slow and good."""

import re
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from sakuga.errors import WeightsError
from sakuga.models.networks.base import SuperResolver

LEAK = 0.2
"""Slope of leaky ReLU below zero."""

RESIDUAL = 0.2
"""Factor of what a block adds, which keeps deep sums from growing."""

FACTOR = 4
"""Of the two doublings at the end; an input shuffled into channels takes a part of it back."""

_NAME = re.compile(r"(conv_(first|body|up1|up2|hr|last)|body\.\d+\.rdb[1-3]\.conv[1-5])\.(weight|bias)")
_ENDS = ("conv_first.weight", "conv_body.weight", "conv_up1.weight", "conv_up2.weight", "conv_last.weight")


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the block's input and all results before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(features + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(features + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(features + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(features + 4 * growth, features, 3, padding=1)

    def forward(self, value: Tensor) -> Tensor:
        """A tensor of the same shape, a refined copy of the input."""
        seen = value
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, functional.leaky_relu(layer(seen), LEAK)), 1)
        result: Tensor = self.conv5(seen)
        return value + RESIDUAL * result


class ResidualBlock(nn.Module):
    """Three dense blocks and a way around them."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(features, growth)
        self.rdb2 = DenseBlock(features, growth)
        self.rdb3 = DenseBlock(features, growth)

    def forward(self, value: Tensor) -> Tensor:
        """A tensor of the same shape, a refined copy of the input."""
        result: Tensor = self.rdb3(self.rdb2(self.rdb1(value)))
        return value + RESIDUAL * result


class RRDBNet(SuperResolver):
    """The network of ESRGAN and Real-ESRGAN's x4plus (23 blocks), x4plus-anime-6B and x2plus.

    Blocks run at the size of the source; for scale 2 and 1 at a half and a quarter of it, with 2 x 2 or 4 x 4
    pixels as channels.

    Sources: Wang et al., "ESRGAN", 2018; Wang et al., "Real-ESRGAN", 2021; the networks' published weights.

    Args:
        features: channels between blocks.
        blocks: residual blocks of three dense blocks.
        scale: factor of the result's sides: 4, 2 or 1.
        growth: channels that each convolution of a dense block adds.
    """

    def __init__(self, features: int = 64, blocks: int = 23, scale: int = 4, growth: int = 32) -> None:
        super().__init__()
        self.scale = scale
        self.radius = None
        self.multiple = FACTOR // scale
        self.conv_first = nn.Conv2d(3 * self.multiple**2, features, 3, padding=1)
        self.body = nn.ModuleList(ResidualBlock(features, growth) for _ in range(blocks))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def trunk(self, rgb: Tensor) -> Tensor:
        """The whole network; see `SuperResolver.trunk`."""
        first = self.conv_first(functional.pixel_unshuffle(rgb, self.multiple))
        value = first
        for block in self.body:
            value = block(value)
        value = first + self.conv_body(value)
        for layer in (self.conv_up1, self.conv_up2):
            larger = functional.interpolate(value, scale_factor=2, mode="nearest")
            value = functional.leaky_relu(layer(larger), LEAK)
        result: Tensor = self.conv_last(functional.leaky_relu(self.conv_hr(value), LEAK))
        return result

    @staticmethod
    def knows(state: Mapping[str, Tensor]) -> bool:
        """Whether the names of tensors are this network's."""
        return all(name in state for name in _ENDS) and all(_NAME.fullmatch(name) for name in state)

    @classmethod
    def like(cls, state: Mapping[str, Tensor]) -> Self:
        """A network of the shape that a state dict has, without its values.

        Args:
            state: tensors whose names this network `knows`.

        Raises:
            WeightsError: the tensors are no such network's; the message says why.
        """
        first, dense = state["conv_first.weight"], state.get("body.0.rdb1.conv1.weight")
        if first.ndim != 4 or dense is None or dense.ndim != 4:
            raise WeightsError("An RRDB network has convolutions 'conv_first' and 'body.0.rdb1.conv1'.")
        multiple = {3: 1, 12: 2, 48: 4}.get(first.shape[1])
        if multiple is None:
            raise WeightsError(
                "An RRDB network reads RGB in 3 channels, or 12 or 48 for 2 x 2 or 4 x 4 pixels at once; "
                f"this one reads {first.shape[1]}."
            )
        blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("body."))
        return cls(first.shape[0], blocks, FACTOR // multiple, dense.shape[0])
