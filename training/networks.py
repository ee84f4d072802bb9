"""Our own networks: luma in, luma of twice the size out."""

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.degrade import SCALE

WIDER = 2
"""How many times more channels the inner branch of a convolution has while it is trained."""

QUIET = 0.1
"""Of the last convolution's first weights: training begins near bilinear interpolation."""


LOUD = 0.35
"""Of the first weights of each summand: with the identity among them, a sum is about as loud as one."""


class LumaNetwork(nn.Module):
    """A row of 3 x 3 convolutions with ReLU between; what they say is added to bilinear interpolation.

    All of it runs at the size of the source: the last convolution makes 4 channels, which are shuffled to
    pixels. This is the form that is shipped.

    Args:
        features: channels of the inner convolutions.
        layers: inner convolutions, without the first and the last one.
    """

    def __init__(self, features: int, layers: int) -> None:
        super().__init__()
        widths = [1, *[features] * (layers + 1), SCALE**2]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )

    def forward(self, luma: Tensor) -> Tensor:
        """Luma of twice the size.

        Args:
            luma: 0 is black and 1 white, fp32 of shape (pictures, 1, height, width).
        """
        features = luma
        for convolution in self.convolutions[:-1]:
            features = functional.relu(convolution(features))
        return _enlarged(luma, self.convolutions[-1](features))


class TrainedNetwork(nn.Module):
    """The same network as it is trained: each convolution is the sum of several, see `MergedConvolution`.

    The weights of the first convolution's kernels sum to 0, and the last one's bias is what makes details of
    a flat area 0: such areas stay exactly as they are, and all levels are treated alike.
    """

    def __init__(self, features: int, layers: int) -> None:
        super().__init__()
        self.features, self.layers = features, layers
        widths = [1, *[features] * (layers + 1), SCALE**2]
        self.convolutions = nn.ModuleList(
            MergedConvolution(before, after) for before, after in pairwise(widths)
        )
        with torch.no_grad():
            last = self.convolutions[-1]
            for parameter in last.parameters():
                parameter.mul_(QUIET)

    def forward(self, luma: Tensor) -> Tensor:
        """Luma of twice the size; see `LumaNetwork.forward`."""
        features = luma
        *inner, last = self.merged()
        for kernel, bias in inner:
            features = functional.relu(functional.conv2d(features, kernel, bias, padding=1))
        return _enlarged(luma, functional.conv2d(features, *last, padding=1))

    def merged(self) -> list[tuple[Tensor, Tensor]]:
        """The one kernel and the bias of each convolution, in fp32."""
        found: list[tuple[Tensor, Tensor]] = []
        convolutions = [each for each in self.convolutions if isinstance(each, MergedConvolution)]
        with torch.autocast(convolutions[0].bias.device.type, enabled=False):
            for number, convolution in enumerate(convolutions):
                kernel, bias = convolution.kernel(), cast(Tensor, convolution.bias)
                if number == 0:
                    kernel = kernel - kernel.mean((2, 3), keepdim=True)
                    flat = torch.zeros_like(kernel[0, :, 0, 0])
                reached = kernel.sum((2, 3)) @ flat
                if number == len(convolutions) - 1:
                    bias = -reached
                flat = functional.relu(reached + bias)
                found.append((kernel, bias))
        return found

    def plain(self) -> LumaNetwork:
        """The form that is shipped, with the sums made; its results differ by rounding only."""
        network = LumaNetwork(self.features, self.layers)
        with torch.no_grad():
            for (kernel, bias), theirs in zip(self.merged(), network.convolutions, strict=True):
                theirs.load_state_dict({"weight": kernel, "bias": bias})
        return network


class MergedConvolution(nn.Module):
    """A 3 x 3 convolution whose kernel is a sum.

    Of one of 3 x 3, one of 1 x 1, a wide one of 1 x 1 with one of 3 x 3 after it, and the identity where as
    many channels come out as go in.

    Such sums train better than the one convolution that they are equal to (Ding et al., RepVGG, 2021; Zhang
    et al., Edge-oriented convolution block, 2021). Here the kernels are summed, not the results: that costs
    nothing, as kernels are small.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        wide = WIDER * max(before, after)
        self.square = nn.Parameter(torch.empty(after, before, 3, 3))
        self.point = nn.Parameter(torch.empty(after, before, 1, 1))
        self.widen = nn.Parameter(torch.empty(wide, before))
        self.narrow = nn.Parameter(torch.empty(after, wide, 3, 3))
        self.bias = nn.Parameter(torch.zeros(after))
        for parameter in (self.square, self.point, self.widen, self.narrow):
            nn.init.kaiming_normal_(parameter)
        with torch.no_grad():
            for parameter in (self.square, self.point, self.narrow):
                parameter.mul_(LOUD)
        identity = torch.zeros(after, before, 3, 3)
        if before == after:
            identity[:, :, 1, 1] = torch.eye(after)
        self.register_buffer("identity", identity, persistent=False)

    def kernel(self) -> Tensor:
        """The one kernel that does the same."""
        inner = torch.einsum("owyx,wi->oiyx", self.narrow, self.widen)
        identity = self.get_buffer("identity")
        return self.square + functional.pad(self.point, (1, 1, 1, 1)) + inner + identity


def _enlarged(luma: Tensor, channels: Tensor) -> Tensor:
    details = functional.pixel_shuffle(channels, SCALE)
    smooth = functional.interpolate(luma, scale_factor=SCALE, mode="bilinear", align_corners=False)
    return smooth + details.float()


def enlarged(network: LumaNetwork, luma: Tensor) -> Tensor:
    """A whole picture's result: beyond its edges the edge samples repeat, as far as the network sees."""
    radius = len(network.convolutions)
    around = functional.pad(luma, (radius,) * 4, "replicate")
    inner = slice(SCALE * radius, -SCALE * radius)
    result: Tensor = network(around)
    return result[..., inner, inner]


def averaged(mean: Mapping[str, Tensor], state: Mapping[str, Tensor], share: float) -> None:
    """Move a mean of weights towards the newest ones, in place.

    Args:
        mean: of all weights so far.
        state: the newest.
        share: of the newest in the mean.
    """
    with torch.no_grad():
        for name, value in mean.items():
            value.lerp_(state[name], share)
