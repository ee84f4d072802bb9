"""Pictures as the networks see them, and back: planes of codes to R, G, B on a device, whole or a part."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from sakuga.media.colour import luma_shares
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.kernels import Axis
from sakuga.media.picture import Picture, Plane
from sakuga.media.resize import Levels, chroma_axes, luma_axes
from sakuga.models.base import Rect
from sakuga.models.torch_resize import reach, resample_part

STRIP = 64
"""Rows of the result that a CPU makes at once: what lies between then stays in its second-level cache."""

SIDE = 8
"""Side of the dither's square."""


def to_rgb(picture: Picture, colour: Colour, device: torch.device, part: Rect | None = None) -> Tensor:
    """A picture as gamma-coded R, G, B, cut to 0 to 1.

    Args:
        picture: the picture; chroma is brought to luma's places by its siting.
        colour: range, matrix and siting of the picture; an unknown matrix is read as BT.709.
        device: where the result shall be. The codes are sent there as they are.
        part: pixels that are wanted, all where None; equal to those of the whole, to the bit.

    Returns:
        fp32 of shape (1, 3, height, width); red, green and blue are equal for a grey picture.
    """
    part = part or Rect(0, 0, picture.width, picture.height)
    luma = _samples(picture, 0, part, colour, device)
    rgb = torch.empty((1, 3, part.height, part.width), device=device)
    if picture.layout.chroma == "gray":
        return torch.clamp(luma.expand_as(rgb), 0, 1, out=rgb)
    size = picture.width, picture.height
    rows, columns = chroma_axes(size, size, picture.layout.chroma, "444", colour.siting)
    top, bottom = reach(rows, part.top, part.bottom)
    left, right = reach(columns, part.left, part.right)
    needed = Rect(left, top, right, bottom)
    planes = torch.stack([_samples(picture, number, needed, colour, device) for number in (1, 2)])
    wanted = slice(part.top, part.bottom), slice(part.left, part.right)
    blue, red = resample_part(planes, rows, columns, wanted, (top, left))
    kr, kg, kb = luma_shares(colour.matrix)
    torch.add(luma, red, alpha=2 - 2 * kr, out=rgb[0, 0])
    torch.add(luma, red, alpha=-(2 - 2 * kr) * kr / kg, out=rgb[0, 1])
    rgb[0, 1].add_(blue, alpha=-(2 - 2 * kb) * kb / kg)
    torch.add(luma, blue, alpha=2 - 2 * kb, out=rgb[0, 2])
    return rgb.clamp_(0, 1)


@dataclass(frozen=True)
class ResultForm:
    """How planes of a result are made of a network's R, G, B.

    Attributes:
        network: width and height of the network's picture.
        size: width and height of the result.
        layout: layout of the result.
        colour: matrix and siting of the result.
        full_range: range of the result.
        grey: the source is grey, so that the result has no colour whatever the network says.
    """

    network: tuple[int, int]
    size: tuple[int, int]
    layout: PixelLayout
    colour: Colour
    full_range: bool
    grey: bool = False

    @property
    def has_colour(self) -> bool:
        """Whether chroma planes are made of the network's picture."""
        return self.layout.chroma != "gray" and not self.grey

    def needed(self, part: Rect) -> Rect:
        """Pixels of the network's picture that a part of the result is made of."""
        rows, columns = self.axes(chroma=False)
        down, across = [reach(rows, part.top, part.bottom)], [reach(columns, part.left, part.right)]
        inner = self.chroma_part(part)
        if self.has_colour and inner.width > 0 and inner.height > 0:
            rows, columns = self.axes(chroma=True)
            down.append(reach(rows, inner.top, inner.bottom))
            across.append(reach(columns, inner.left, inner.right))
        lefts, rights = zip(*across, strict=True)
        tops, bottoms = zip(*down, strict=True)
        return Rect(min(lefts), min(tops), max(rights), max(bottoms))

    def chroma_part(self, part: Rect) -> Rect:
        """The chroma samples of a part: those of its even luma samples, where chroma is halved."""
        width, height = self.layout.chroma_size(2, 2)
        across, down = 2 // width, 2 // height
        return Rect(
            -(-part.left // across), -(-part.top // down), -(-part.right // across), -(-part.bottom // down)
        )

    def boxes(self, part: Rect) -> list[Rect]:
        """A part in the samples of each plane."""
        return [part] if self.layout.chroma == "gray" else [part, *[self.chroma_part(part)] * 2]

    @property
    def dtype(self) -> torch.dtype:
        """Of codes: 8 bits, or 16 that hold 10."""
        return torch.uint8 if self.layout.depth == 8 else torch.int16

    def axes(self, *, chroma: bool) -> tuple[Axis, Axis]:
        """How rows and columns of a plane are resampled: luma by Lanczos' filter, chroma by a cubic one."""
        if not chroma:
            return luma_axes(self.network, self.size)
        return chroma_axes(self.network, self.size, "444", self.layout.chroma, self.colour.siting)

    def split(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Luma, and red's and blue's differences from it.

        Args:
            rgb: R, G, B cut to 0 to 1, in fp32 of shape (3, height, width); overwritten.

        Returns:
            Shapes (height, width) and (2, height, width), or (0, height, width) where there is no colour.
        """
        kr, kg, kb = luma_shares(self.colour.matrix)
        luma = rgb[0] * kr
        luma.add_(rgb[1], alpha=kg).add_(rgb[2], alpha=kb)
        return luma, rgb[::2].sub_(luma) if self.has_colour else rgb[:0]

    def samples(
        self, luma: Tensor, differences: Tensor, at: tuple[int, int], part: Rect
    ) -> tuple[Tensor, ...]:
        """Samples of a part of the result, equal to the same part of the whole, to the bit.

        Args:
            luma: of a part of the network's picture, `needed` at least.
            differences: as from `split`.
            at: row and column of the network's picture that the first sample is.
            part: the part in luma samples of the result.

        Returns:
            Luma, or luma and the differences of blue and red, resampled.
        """
        wanted = slice(part.top, part.bottom), slice(part.left, part.right)
        first = resample_part(luma, *self.axes(chroma=False), wanted, at)
        if not self.has_colour:
            return (first,)
        inner = self.chroma_part(part)
        if inner.width <= 0 or inner.height <= 0:
            return first, *[luma.new_empty((inner.height, inner.width))] * 2
        wanted = slice(inner.top, inner.bottom), slice(inner.left, inner.right)
        red, blue = resample_part(differences, *self.axes(chroma=True), wanted, at)
        return first, blue, red

    def codes(self, samples: Sequence[Tensor], part: Rect) -> tuple[Tensor, ...]:
        """Samples of a part as whole codes: dithered where they have 8 bits, else rounded; then cut.

        Args:
            samples: as from `samples`.
            part: the part in luma samples of the result.

        Returns:
            Y, or Y, U, V, whole numbers in fp32.
        """
        levels = self._levels(chroma=False)
        luma = _codes(samples[0], levels, levels.span, (part.top, part.left))
        if self.layout.chroma == "gray":
            return (luma,)
        inner, levels = self.chroma_part(part), self._levels(chroma=True)
        if self.grey:
            neutral = torch.full((inner.height, inner.width), levels.zero, device=luma.device)
            return luma, neutral, neutral
        kr, _, kb = luma_shares(self.colour.matrix)
        corner = inner.top, inner.left
        return (
            luma,
            _codes(samples[1], levels, levels.span / (2 - 2 * kb), corner),
            _codes(samples[2], levels, levels.span / (2 - 2 * kr), corner),
        )

    def _levels(self, *, chroma: bool) -> Levels:
        return Levels.of(self.layout.depth, self.full_range, chroma=chroma)


def write_part(plane: Plane, codes: Tensor, part: Rect) -> None:
    """Copy a part's codes, on any device, to where they belong in a plane."""
    whole = torch.from_numpy(plane.view(np.int16) if plane.dtype == np.uint16 else plane)
    whole[part.top : part.bottom, part.left : part.right] = codes.to("cpu")


def fetched(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Tensors on the host; of a GPU's work, waits only for what was queued before."""
    if not tensors or tensors[0].device.type != "cuda":
        return tuple(tensor.cpu() for tensor in tensors)
    with torch.cuda.device(tensors[0].device):
        host = tuple(torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors)
        for here, there in zip(host, tensors, strict=True):
            here.copy_(there, non_blocking=True)
        # the encoder has use for the processor meanwhile
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream())
        done.synchronize()
    return host


def _samples(picture: Picture, number: int, part: Rect, colour: Colour, device: torch.device) -> Tensor:
    """A part of a plane in fp32: luma from 0 to 1, chroma from -1/2 to 1/2."""
    plane = picture.planes[number][part.top : part.bottom, part.left : part.right]
    codes = torch.from_numpy(plane.astype(np.uint8 if picture.layout.depth == 8 else np.int16))
    if device.type == "cuda":
        codes = codes.pin_memory()
    levels = Levels.of(picture.layout.depth, colour.full_range, chroma=number > 0)
    samples = codes.to(device, non_blocking=True).to(torch.float32)
    return samples.sub_(levels.zero).div_(levels.span)


def _codes(samples: Tensor, levels: Levels, gain: float, corner: tuple[int, int]) -> Tensor:
    """Samples around 0 as codes. `corner` is the row and column of the first one.

    A result of 8 bits is dithered: the mean of many samples is right, and what lies on a code stays there,
    as the thresholds keep 1/128 away from both neighbours.
    """
    # a copy: samples that were not resampled are the caller's
    samples = samples * gain
    if levels.top == 255:
        height, width = samples.shape
        samples.add_(_thresholds(height, width, corner[0] % SIDE, corner[1] % SIDE, samples.device))
        samples.add_(levels.zero).floor_()
    else:
        samples.add_(levels.zero).round_()
    return samples.clamp_(0, levels.top)


@lru_cache(maxsize=8)
def _thresholds(height: int, width: int, top: int, left: int, device: torch.device) -> Tensor:
    """What is added before samples are cut to whole codes: Bayer's square, 1/128 to 127/128.

    B. E. Bayer, An optimum method for two-level rendition of continuous-tone pictures, ICC 1973.
    """
    square = np.zeros((1, 1))
    while len(square) < SIDE:
        square = np.block([[4 * square, 4 * square + 2], [4 * square + 3, 4 * square + 1]])
    rows, columns = (np.arange(height) + top) % SIDE, (np.arange(width) + left) % SIDE
    pattern = (square + 0.5) / SIDE**2
    return torch.from_numpy(pattern[np.ix_(rows, columns)].astype(np.float32)).to(device)
