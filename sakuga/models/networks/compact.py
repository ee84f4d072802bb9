"""SRVGGNetCompact: a plain row of convolutions, small enough for video."""

import re
from collections.abc import Mapping
from typing import Literal, Self

from torch import Tensor, nn
from torch.nn import functional

from sakuga.errors import WeightsError
from sakuga.models.networks.base import SuperResolver

Activation = Literal["prelu", "relu", "leakyrelu"]

LEAK = 0.1
"""Slope of leaky ReLU below zero."""

MAX_SCALE = 8

_NAME = re.compile(r"body\.\d+\.(weight|bias)")


class SRVGGNetCompact(SuperResolver):
    """The network of Real-ESRGAN's realesr-animevideov3 (64 x 16) and realesr-general-x4v3 (64 x 32).

    All of it runs at the size of the source: the last convolution makes 3 * scale^2 channels, which are
    shuffled to pixels, and the source, repeated, is added.

    Source: Wang, Xie, Dong and Shan, "Real-ESRGAN", 2021, and the network's published weights.

    Args:
        features: channels of the inner convolutions.
        convolutions: inner convolutions, without the first and the last one.
        scale: factor of the result's sides.
        activation: what follows every convolution but the last; PReLU has a slope per channel.
    """

    shuffles = True

    def __init__(
        self, features: int = 64, convolutions: int = 16, scale: int = 4, activation: Activation = "prelu"
    ) -> None:
        super().__init__()
        self.scale = scale
        self.radius = convolutions + 2  # a pixel for each convolution of 3 x 3
        self.body = nn.ModuleList()
        channels = 3
        for _ in range(convolutions + 1):
            self.body.append(nn.Conv2d(channels, features, 3, padding=1))
            self.body.append(_activation(activation, features))
            channels = features
        self.body.append(nn.Conv2d(channels, 3 * scale**2, 3, padding=1))

    def channels(self, rgb: Tensor) -> Tensor:
        """What is added to the repeated source; see `SuperResolver.channels`."""
        for layer in self.body:
            rgb = layer(rgb)
        return rgb

    def add_skip(self, result: Tensor, rgb: Tensor) -> Tensor:
        """Add every source pixel, repeated `scale` times in both directions; see `SuperResolver.add_skip`."""
        height, width = rgb.shape[2:]
        rows = functional.interpolate(rgb, size=(height, width * self.scale), mode="nearest")
        # repeating down, too, would take the memory and the time of another result
        result.view(*rgb.shape[:3], self.scale, -1).add_(rows[:, :, :, None])
        return result

    @staticmethod
    def knows(state: Mapping[str, Tensor]) -> bool:
        """Whether the names of tensors are this network's."""
        return "body.0.weight" in state and all(_NAME.fullmatch(name) for name in state)

    @classmethod
    def like(cls, state: Mapping[str, Tensor], activation: Activation | None = None) -> Self:
        """A network of the shape that a state dict has, without its values.

        Args:
            state: tensors whose names this network `knows`.
            activation: only PReLU leaves tensors in the file; for the others it has to be said.

        Raises:
            WeightsError: the tensors are no such network's; the message says why.
        """
        last = max(int(name.split(".")[1]) for name in state)
        first, final = state["body.0.weight"], state.get(f"body.{last}.weight")
        if first.ndim != 4 or first.shape[1] != 3 or final is None or final.ndim != 4:
            raise WeightsError(
                f"A compact network reads RGB and begins and ends with a convolution; 'body.0.weight' is "
                f"{tuple(first.shape)} and 'body.{last}.weight' is "
                f"{'missing' if final is None else tuple(final.shape)}."
            )
        scale = round((final.shape[0] / 3) ** 0.5)
        if final.shape[0] != 3 * scale**2 or not 1 <= scale <= MAX_SCALE:
            raise WeightsError(
                f"A compact network ends with 3 channels for each pixel of a square of up to {MAX_SCALE} x "
                f"{MAX_SCALE}; this one with {final.shape[0]}."
            )
        if last < 2 or last % 2:
            raise WeightsError(
                f"In a compact network, convolutions and activations take turns; 'body.{last}.weight' is at "
                "another place."
            )
        if activation is None and "body.1.weight" not in state:
            raise WeightsError(
                "The network has no PReLU, and its file does not say which activation takes its place."
            )
        return cls(first.shape[0], last // 2 - 1, scale, activation or "prelu")


def _activation(name: Activation, features: int) -> nn.Module:
    if name == "prelu":
        return nn.PReLU(features)
    return nn.ReLU(inplace=True) if name == "relu" else nn.LeakyReLU(LEAK, inplace=True)
