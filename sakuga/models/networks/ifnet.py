"""IFNet of RIFE 4.25: how two pictures move into one between them (Z. Huang et al., ECCV 2022)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 64
"""Sides of the pictures are multiples of this: the coarsest block works at 1/16, and halves that twice."""

SCALES = (16, 8, 4, 2, 1)
WIDTHS = (192, 128, 96, 64, 32)
FEATURES = 4
"""Channels of a picture's features."""

HIDDEN = 8
"""Channels that a block hands to the next one beside flow and mask."""

UNUSED = ("teacher.", "caltime.")
"""Parts of the training that files may still hold; inference has no use for them."""


class Head(nn.Module):
    """Features of one picture, at its size."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, 16, 3, 2, 1)
        self.cnn1 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn2 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(16, FEATURES, 4, 2, 1)

    def forward(self, rgb: Tensor) -> Tensor:
        """(pictures, 4, height, width), in the precision of the weights."""
        x = rgb.to(self.cnn0.weight.dtype)
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            x = _leaky(layer(x))
        features: Tensor = self.cnn3(x)
        return features


class Residual(nn.Module):
    """A convolution, weighted channel by channel, around which the input is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        return _leaky(self.conv(x) * self.beta + x)


class Block(nn.Module):
    """One step of the estimate, from coarse to fine."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_halving(channels, width // 2), _halving(width // 2, width))
        self.convblock = nn.Sequential(*(Residual(width) for _ in range(8)))
        self.lastconv = nn.Sequential(
            nn.ConvTranspose2d(width, 4 * (4 + 1 + HIDDEN), 4, 2, 1), nn.PixelShuffle(2)
        )

    def forward(self, x: Tensor, flow: Tensor | None, scale: int) -> tuple[Tensor, Tensor, Tensor]:
        """What is to be added to `flow`, the mask before its sigmoid, and what the next block is told."""
        x = _resized(x, 1 / scale)
        if flow is not None:
            x = torch.cat((x, _resized(flow, 1 / scale) / scale), 1)
        x = self.lastconv(self.convblock(self.conv0(x.to(next(self.parameters()).dtype))))
        # the steps of a half would be too coarse for flow: from here on fp32
        x = _resized(x.float(), scale)
        return x[:, :4] * scale, x[:, 4:5], x[:, 5:]


class IFNet(nn.Module):
    """Motion from a picture at any time between two pictures to both of them; for inference only."""

    def __init__(self) -> None:
        super().__init__()
        first = 2 * 3 + 2 * FEATURES + 1
        self.encode = Head()
        self.block0 = Block(first, WIDTHS[0])
        for number, width in enumerate(WIDTHS[1:], 1):
            self.add_module(f"block{number}", Block(first + 1 + HIDDEN + 4, width))

    def forward(
        self, left: Tensor, right: Tensor, features: tuple[Tensor, Tensor], t: float
    ) -> tuple[Tensor, Tensor]:
        """Flow and mask of the picture at time `t`.

        Args:
            left: R, G, B from 0 to 1 in fp32, of shape (pictures, 3, height, width), sides by `MULTIPLE`.
            right: the later pictures, same shape.
            features: of both, as `encode` gives them.
            t: time of the wanted picture, from 0 (left) to 1 (right).

        Returns:
            Flow in pixels, (pictures, 4, height, width): x and y of the way to the left, then to the right
            picture; and the left one's share, from 0 to 1, (pictures, 1, height, width). Both are fp32.
        """
        time = torch.full_like(left[:, :1], t)
        seen = (left, right, features[0].float(), features[1].float())
        flow, mask, hidden = self.block0(torch.cat((*seen, time), 1), None, SCALES[0])
        for number, scale in enumerate(SCALES[1:], 1):
            ways = (flow[:, :2], flow[:, 2:]) * 2
            moved = [warp(image, way) for image, way in zip(seen, ways, strict=True)]
            block = self.get_submodule(f"block{number}")
            step, mask, hidden = block(torch.cat((*moved, time, mask, hidden), 1), flow, scale)
            flow = flow + step
        return flow, torch.sigmoid(mask)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """`image` at every pixel's place moved along `flow`, by bilinear sampling; edges repeat.

    Args:
        image: (pictures, channels, height, width), 2 pixels or more each way.
        flow: x and y in pixels, (pictures, 2, height, width).
    """
    height, width = image.shape[-2:]
    x = torch.linspace(-1, 1, width, device=flow.device) + flow[:, 0] * (2 / (width - 1))
    y = torch.linspace(-1, 1, height, device=flow.device)[:, None] + flow[:, 1] * (2 / (height - 1))
    # not the padding mode that repeats edges: not every device has it
    places = torch.stack((x, y), 3).clamp(-1, 1)
    return functional.grid_sample(image, places, mode="bilinear", align_corners=True)


def render(left: Tensor, right: Tensor, flow: Tensor, share: Tensor) -> Tensor:
    """The picture that flow and the left one's share, as `IFNet` gives them, make of two pictures."""
    return share * warp(left, flow[:, :2]) + (1 - share) * warp(right, flow[:, 2:])


def inference_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a file that `IFNet` loads strictly, under its own names."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in plain.items() if not name.startswith(UNUSED)}


def _halving(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.LeakyReLU(0.2))


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.2, inplace=True)


def _resized(x: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return x
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
