"""Pictures in tiles: exact ones with halos, blended ones with overlaps, smaller ones where memory ends."""

import threading
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import TypeVar

import torch
from torch import Tensor

from sakuga.errors import OutOfMemoryError
from sakuga.models.base import Rect

Size = tuple[int, int]
Result = TypeVar("Result")

SMALLEST = 16
"""Side in pixels of the smallest core of a tile: below it, almost all that is computed is halo."""

OVERLAP = 32
"""Source pixels that blended tiles share. The outer quarters are left to the neighbour, as a cut edge is seen
that far in most networks; the blend is in the middle half."""


class Budget:
    """How many source pixels are computed at once; it only shrinks, for all threads that use it.

    Attributes:
        pixels: of a tile with its halo.
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self._lock = threading.Lock()

    def halve(self, tried: int) -> None:
        """Remember that a tile of `tried` pixels was too large."""
        with self._lock:
            self.pixels = max(1, min(self.pixels, tried // 2))


def grown(area: Rect, halo: int, size: Size) -> Rect:
    """An area with a halo, cut at the picture's edges."""
    return Rect(
        max(0, area.left - halo),
        max(0, area.top - halo),
        min(size[0], area.right + halo),
        min(size[1], area.bottom + halo),
    )


def cores(area: Rect, halo: int, size: Size, pixels: int, step: int = 1) -> list[Rect]:
    """Tiles of an area without their halos, of which as little as possible is computed twice.

    Args:
        area: what they cover, in pixels of the picture.
        halo: pixels around a core that have to be computed with it, but for those beyond the picture.
        size: width and height of the picture.
        pixels: of a tile with its halo, at the most; tiles of `SMALLEST` are made all the same.
        step: sides of cores are multiples of it, but for the last ones.
    """
    best, least = (area.width, area.height), -1
    side = _smallest(step)
    for columns in range(1, ceil(area.width / side) + 1):
        width = ceil(area.width / columns / step) * step
        room = pixels // min(size[0], width + 2 * halo)
        height = area.height if room >= min(size[1], area.height + 2 * halo) else room - 2 * halo
        height = min(area.height, max(height // step * step if height < area.height else height, side))
        rows = ceil(area.height / height)
        total = (area.width + 2 * halo * columns) * (area.height + 2 * halo * rows)
        smallest = columns == ceil(area.width / side)
        fits = min(size[0], width + 2 * halo) * min(size[1], height + 2 * halo) <= pixels
        if (fits and (least < 0 or total < least)) or (smallest and least < 0):
            best, least = (width, ceil(area.height / rows / step) * step), total
    width, height = best
    return [
        Rect(left, top, min(left + width, area.right), min(top + height, area.bottom))
        for top in range(area.top, area.bottom, height)
        for left in range(area.left, area.right, width)
    ]


def exact_tiles(
    areas: Sequence[Rect],
    halo: int,
    size: Size,
    budget: Budget,
    compute: Callable[[Rect], Result],
    shrink: int = 1,
    step: int = 1,
) -> Iterator[tuple[Rect, Result]]:
    """Compute areas in tiles one by one; a tile that finds no room is cut smaller.

    Args:
        areas: what to compute, in source pixels.
        halo: source pixels that are computed around a tile.
        size: width and height of the source.
        budget: source pixels that are computed at once.
        compute: makes the result of a core; it adds the halo itself.
        shrink: how much smaller than the budget a tile must be, as a later pass sees it so much larger.
        step: sides of tiles without their halos are multiples of it, but for the last ones.

    Raises:
        OutOfMemoryError: the smallest tile finds no room.
    """
    waiting = [
        core
        for area in reversed(areas)
        for core in reversed(cores(area, halo, size, budget.pixels // shrink, step))
    ]
    while waiting:
        core = waiting.pop()
        try:
            result = compute(core)
        except OutOfMemoryError:
            if max(core.width, core.height) <= _smallest(step):
                raise
            tile = grown(core, halo, size)
            budget.halve(tile.width * tile.height * shrink)
            pieces = cores(core, halo, size, budget.pixels // shrink, step)
            waiting += reversed(pieces if len(pieces) > 1 else _halves(core, step))
            continue
        yield core, result


def blended_bands(
    size: Size, scale: int, pixels: int, compute: Callable[[Rect], Tensor], multiple: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """Compute a picture in tiles whose overlaps are blended, from the top, a row of tiles after the other.

    Where the whole picture fits, nothing is blended. The grid depends on the size and `pixels` only.

    Args:
        size: width and height of the source.
        scale: of the network.
        pixels: of a tile at the most, though a tile is never smaller than its overlaps.
        compute: makes the network's result for a part of the source, of shape (1, 3, height, width).
        multiple: tiles begin at multiples of it, as the whole picture does: a network that takes pixels
            together in squares must find the same ones.

    Yields:
        The first row of the network's picture and finished rows from there on, (1, 3, rows, width).
    """
    width, height = _blended_side(size, pixels)
    columns, rows = _spans(size[0], width, multiple), _spans(size[1], height, multiple)
    carried: Tensor | None = None
    for number, (top, bottom) in enumerate(rows):
        band = _blended_row(size[0], scale, columns, (top, bottom), compute)
        if carried is not None:
            ramp = _ramp(carried.shape[2], band.device)[:, None]
            shared = band[:, :, : carried.shape[2]]
            shared.mul_(ramp).add_(carried.mul_(1 - ramp))
        end = (rows[number + 1][0] - top) * scale if number + 1 < len(rows) else band.shape[2]
        yield top * scale, band[:, :, :end]
        carried = band[:, :, end:].clone()


def smallest_blend() -> int:
    """Pixels of the smallest tile that can be blended."""
    return (2 * OVERLAP + SMALLEST) ** 2


def pad_to_multiple(rgb: Tensor, multiple: int) -> Tensor:
    """Mirror a picture at its right and lower edge until its sides are multiples; too small ones repeat."""
    for dim in (-1, -2):
        side = rgb.shape[dim]
        more = -side % multiple
        if more:
            mirrored = (side - 2 - torch.arange(more, device=rgb.device)).clamp_(0)
            rgb = torch.cat([rgb, rgb.index_select(dim, mirrored)], dim)
    return rgb


def _smallest(step: int) -> int:
    return ceil(SMALLEST / step) * step


def _halves(core: Rect, step: int) -> list[Rect]:
    if core.width >= core.height:
        middle = core.left + ceil(core.width / 2 / step) * step
        return [
            Rect(core.left, core.top, middle, core.bottom),
            Rect(middle, core.top, core.right, core.bottom),
        ]
    middle = core.top + ceil(core.height / 2 / step) * step
    return [Rect(core.left, core.top, core.right, middle), Rect(core.left, middle, core.right, core.bottom)]


def _blended_side(size: Size, pixels: int) -> Size:
    """Width and height of the largest tiles: the whole picture, whole rows of it, or squares."""
    least = 2 * OVERLAP + SMALLEST
    if size[0] * size[1] <= pixels:
        return size
    side = max(least, int(pixels**0.5))
    width = min(size[0], side)
    return width, min(size[1], max(least, pixels // width))


def _spans(length: int, side: int, multiple: int) -> list[tuple[int, int]]:
    """Begin and end of tiles along one direction, equal but for the last, that share `OVERLAP` pixels."""
    if side >= length:
        return [(0, length)]
    count = ceil((length - OVERLAP) / (side - OVERLAP))
    step = ceil((length - OVERLAP) / (count * multiple)) * multiple
    return [(begin, min(length, begin + step + OVERLAP)) for begin in range(0, length - OVERLAP, step)]


def _blended_row(
    width: int,
    scale: int,
    columns: list[tuple[int, int]],
    rows: tuple[int, int],
    compute: Callable[[Rect], Tensor],
) -> Tensor:
    if len(columns) == 1:
        return compute(Rect(0, rows[0], width, rows[1]))
    band: Tensor | None = None
    before = 0
    for left, right in columns:
        tile = compute(Rect(left, rows[0], right, rows[1]))
        if band is None:
            band = tile.new_empty((*tile.shape[:3], width * scale))
        start, shared = left * scale, (before - left) * scale if left else 0
        if shared:
            ramp = _ramp(shared, tile.device)
            overlap = band[..., start : start + shared]
            overlap.mul_(1 - ramp).add_(tile[..., :shared] * ramp)
        band[..., start + shared : right * scale] = tile[..., shared:]
        before = right
    assert band is not None
    return band


def _ramp(length: int, device: torch.device) -> Tensor:
    """From 0 to 1 over the middle half of a length, as half a cosine."""
    places = (torch.arange(length, device=device) + 0.5) / length
    inner = ((places - 0.25) * 2).clamp_(0, 1)
    return 0.5 - 0.5 * torch.cos(torch.pi * inner)
