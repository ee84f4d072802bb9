"""Upscaler by one of our own networks: luma through a row of convolutions, chroma resampled."""

from collections.abc import Sequence

import numpy as np

from sakuga.media.info import Colour, PixelLayout
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture, Plane
from sakuga.media.resize import Levels, from_floats, resize_chroma, resize_luma
from sakuga.models.base import EngineUse, Rect
from sakuga.models.luma_network import REQUESTS, SCALE
from sakuga.models.own import own_digest, own_network, own_precision

CHROMA_REACH = 6
"""Luma samples that a chroma sample reaches in the result: the cubic kernel's two chroma samples, the siting,
and the samples of the result that share one of chroma."""


class Own:
    """Upscaler by one of our networks, on the CPU; it can compute parts.

    The networks keep flat areas as they are and treat all levels alike, so that what is beyond black and
    white goes through them like everything else.

    Args:
        name: of the card.
        precision: `auto` is bf16 where the processor has it, else fp32.

    Raises:
        OptionError: the processor has no such precision.
        MissingToolError: OpenVINO does not load.
        WeightsError: the weights are missing or damaged.
    """

    parallel = REQUESTS

    def __init__(self, name: str, precision: str = "auto") -> None:
        self.name, self.digest = name, own_digest(name)
        computed = own_precision(precision)
        self.use = EngineUse(backend="openvino", device="cpu", precision=computed)
        self._network = own_network(name, computed)

    def upscale(
        self,
        picture: Picture,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
    ) -> Picture:
        """Upscale a whole picture; see `Upscaler.upscale`."""
        source, result = _levels(picture, layout, colour, target)
        luma = self._enlarged(_floats(picture.planes[0], source))
        while luma.shape[1] < size[0] or luma.shape[0] < size[1]:
            luma = self._enlarged(luma)
        if luma.shape[::-1] != size:
            luma = resize_luma(luma, size)
        codes = from_floats(luma, Levels(0, 1, 1), result)
        return Picture((codes, *resize_chroma(picture, size, layout, colour, target)), layout)

    def spread(self, picture: Picture, size: tuple[int, int]) -> int | None:
        """How far a changed source pixel reaches; None but for exactly twice the size."""
        twice = (SCALE * picture.width, SCALE * picture.height)
        return max(self._network.radius, CHROMA_REACH) if size == twice else None

    def upscale_regions(
        self,
        picture: Picture,
        before: Picture,
        regions: Sequence[Rect],
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
        *,
        halo: int | None = None,
    ) -> Picture:
        """The result of `before`, computed anew in `regions`; see `RegionUpscaler.upscale_regions`."""
        source, result = _levels(picture, layout, colour, target)
        seen = self._network.radius if halo is None else min(halo, self._network.radius)
        planes = tuple(plane.copy() for plane in before.planes)
        # chroma is resampled in less time than its parts are cut out
        chroma = resize_chroma(picture, size, layout, colour, target)
        for region in regions:
            part = self._part(picture.planes[0], region, seen, source)
            _put(planes[0], from_floats(part, Levels(0, 1, 1), result), region, SCALE, SCALE)
            for plane, new in zip(planes[1:], chroma, strict=True):
                across, down = SCALE * plane.shape[1] // size[0], SCALE * plane.shape[0] // size[1]
                _put(plane, new, region, across, down, whole=True)
        return Picture(planes, layout)

    def _part(self, luma: Plane, region: Rect, halo: int, source: Levels) -> Floats:
        """Luma of a region of the result, made of the region and `halo` around it."""
        height, width = luma.shape
        left, top = max(0, region.left - halo), max(0, region.top - halo)
        right, bottom = min(width, region.right + halo), min(height, region.bottom + halo)
        part = self._enlarged(_floats(luma[top:bottom, left:right], source))
        first_row, first_column = SCALE * (region.top - top), SCALE * (region.left - left)
        return part[
            first_row : first_row + SCALE * region.height,
            first_column : first_column + SCALE * region.width,
        ]

    def _enlarged(self, luma: Floats) -> Floats:
        return self._network.enlarge(luma)


def _levels(
    picture: Picture, layout: PixelLayout, colour: Colour, target: Colour | None
) -> tuple[Levels, Levels]:
    source = Levels.of(picture.layout.depth, colour.full_range, chroma=False)
    return source, Levels.of(layout.depth, (target or colour).full_range, chroma=False)


def _floats(luma: Plane, levels: Levels) -> Floats:
    return (luma - np.float32(levels.zero)) * np.float32(1 / levels.span)


def _put(plane: Plane, new: Plane, region: Rect, across: int, down: int, *, whole: bool = False) -> None:
    """Replace a region of a result's plane.

    Args:
        plane: what is written to.
        new: the region's samples, or all of the plane's where `whole`.
        region: in source pixels.
        across: samples of the plane for each source pixel, across.
        down: the same, down.
        whole: see `new`.
    """
    rows = slice(down * region.top, down * region.bottom)
    columns = slice(across * region.left, across * region.right)
    plane[rows, columns] = new[rows, columns] if whole else new
