"""Which parts of a result have to be computed again when parts of its source change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.media.picture import Picture
from sakuga.models.base import Rect

CELL = 16
"""Sides of the cells that regions are made of, in source pixels: even, so that chroma samples fit in."""

WORTHWHILE = 0.85
"""Share of a whole picture's cost above which parts are not worth their trouble."""

CALL_PIXELS = 1024
"""Cost of one more region, beside its pixels: what starting a network costs on a CPU, in pixels."""

PACKED = 0.9
"""Share of a region's cost that no cover of it can save, above which no split is tried."""

DEPTH = 5
"""How often a region may be split: 32 regions at most, each a run of the network."""

Mask = NDArray[np.uint8]
Cells = NDArray[np.bool_]


@dataclass(frozen=True)
class Cover:
    """Disjoint regions, aligned to cells, and the pixels that a network has to look at to compute them."""

    regions: tuple[Rect, ...]
    pixels: int


def changed_pixels(picture: Picture, before: Picture) -> Mask:
    """255 where samples of two pictures of one size and layout differ, at luma places; else 0.

    A chroma sample counts for all luma pixels that it belongs to: 2x2 of them in 4:2:0.
    """
    planes = zip(picture.planes, before.planes, strict=True)
    return at_luma_places([cv2.compare(a, b, cv2.CMP_NE) for a, b in planes])


def at_luma_places(masks: Sequence[NDArray[Any]]) -> Mask:
    """One mask at luma places from those of each plane."""
    luma = np.asarray(masks[0], np.uint8)
    if len(masks) == 1:
        return luma
    chroma = np.asarray(masks[1], np.uint8) | np.asarray(masks[2], np.uint8)
    height, width = luma.shape
    down, across = 1 + (chroma.shape[0] < height), 1 + (chroma.shape[1] < width)
    if down * across > 1:
        chroma = chroma.repeat(down, 0).repeat(across, 1)[:height, :width]
    return luma | chroma


def cover_changes(changed: Mask, reach: int, margin: int) -> Cover | None:
    """Regions that hold everything within `reach` of a changed pixel, cheap to compute.

    Args:
        changed: other than 0 where the source changed; shape (height, width).
        reach: how far a change is seen in the result, in source pixels, along both axes.
        margin: pixels around a region that have to be computed with it.

    Returns:
        Disjoint regions inside the picture, none where nothing changed; or None where they would cost more
        than `WORTHWHILE` of the whole picture.
    """
    height, width = changed.shape
    dirty = dirty_cells(changed, reach)
    if not dirty.any():
        return Cover((), 0)
    finder = _Finder(dirty, (width, height), margin)
    if finder.least(finder.everything()) > WORTHWHILE * width * height:
        return None
    boxes = finder.split(finder.everything(), DEPTH)
    if sum(finder.cost(box) for box in boxes) > WORTHWHILE * width * height:
        return None
    regions = tuple(sorted(finder.region(box) for box in boxes))
    return Cover(regions, sum(finder.pixels(box) for box in boxes))


def dirty_cells(changed: Mask, reach: int) -> Cells:
    """Which cells hold a pixel within `reach` of a changed one; shape (rows, columns) of cells."""
    height, width = changed.shape
    sums = cv2.integral(changed)
    top, bottom = _edges(height, reach)
    left, right = _edges(width, reach)
    # whole rows first: gathering 2 of 16 rows is cheaper than four corners of each cell
    rows = sums[bottom] - sums[top]
    found: Cells = (rows[:, right] - rows[:, left]) != 0
    return found


def _edges(size: int, reach: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the pixels that each cell sees along an axis begin and end."""
    starts = np.arange(0, size, CELL)
    return np.maximum(starts - reach, 0), np.minimum(starts + CELL + reach, size)


Box = tuple[int, int, int, int]
"""Cells: top, left, bottom, right; the last two are not in it."""


class _Finder:
    """Splits the cells that are to be computed into boxes, by cuts from edge to edge."""

    def __init__(self, dirty: Cells, size: tuple[int, int], margin: int) -> None:
        self._dirty = dirty
        self._size = size
        self._margin = margin
        # cells that any cover has to look at: a bound of what splitting can save
        around = margin // CELL
        kernel = np.ones((2 * around + 1, 2 * around + 1), np.uint8)
        self._seen = cv2.integral(cv2.dilate(dirty.astype(np.uint8), kernel))

    def everything(self) -> Box:
        """The smallest box around all dirty cells."""
        return self._shrunk((0, 0, *self._dirty.shape))

    def region(self, box: Box) -> Rect:
        top, left, bottom, right = (side * CELL for side in box)
        return Rect(left, top, min(right, self._size[0]), min(bottom, self._size[1]))

    def pixels(self, box: Box) -> int:
        """Source pixels that the network sees to compute a box."""
        (width, height), margin, rect = self._size, self._margin, self.region(box)
        across = min(rect.right + margin, width) - max(rect.left - margin, 0)
        return across * (min(rect.bottom + margin, height) - max(rect.top - margin, 0))

    def cost(self, box: Box) -> int:
        return self.pixels(box) + CALL_PIXELS

    def least(self, box: Box) -> int:
        """A bound of the pixels of any cover of a box."""
        around, (rows, columns) = self._margin // CELL, self._dirty.shape
        top, left = max(box[0] - around, 0), max(box[1] - around, 0)
        bottom, right = min(box[2] + around, rows), min(box[3] + around, columns)
        seen = self._seen
        cells = int(seen[bottom, right] - seen[top, right] - seen[bottom, left] + seen[top, left])
        width, height = self._size
        # cells at the right and lower edge may be smaller
        lost: int = (columns * CELL - width) * height + (rows * CELL - height) * columns * CELL
        return max(0, cells * CELL * CELL - lost)

    def split(self, box: Box, depth: int) -> list[Box]:
        """Boxes that hold the dirty cells of `box` and cost least, as far as one cut after another tells."""
        if not depth or self.least(box) >= PACKED * self.cost(box):
            return [box]
        cut = self._best_cut(box)
        if cut is None:
            return [box]
        parts = [part for half in cut for part in self.split(half, depth - 1)]
        return parts if sum(map(self.cost, parts)) < self.cost(box) else [box]

    def _best_cut(self, box: Box) -> tuple[Box, Box] | None:
        """Both halves of a box that is cut where their boxes are smallest; None where it is one cell."""
        top, left, bottom, right = box
        part = self._dirty[top:bottom, left:right]
        row, row_price = self._cut_lines(part)
        column, column_price = self._cut_lines(part.T)
        if not row and not column:
            return None
        if not column or (row and row_price <= column_price):
            halves = (top, left, top + row, right), (top + row, left, bottom, right)
        else:
            halves = (top, left, bottom, left + column), (top, left + column, bottom, right)
        return self._shrunk(halves[0]), self._shrunk(halves[1])

    def _cut_lines(self, lines: Cells) -> tuple[int, int]:
        """How many lines come before the best cut, 0 where there is none, and what both halves cost."""
        if len(lines) < 2:
            return 0, 0
        price = self._running(lines)[:-1] + self._running(lines[::-1])[::-1][1:]
        best = int(price.argmin())
        return best + 1, int(price[best])

    def _running(self, lines: Cells) -> NDArray[np.int64]:
        """Pixels of the box around the dirty cells of the first 1, 2, ... lines; the very first is dirty."""
        length = lines.shape[1]
        some = lines.any(axis=1)
        first = np.where(some, lines.argmax(axis=1), length)
        last = np.where(some, length - lines[:, ::-1].argmax(axis=1), 0)
        first, last = np.minimum.accumulate(first), np.maximum.accumulate(last)
        end = np.maximum.accumulate(np.where(some, np.arange(1, len(lines) + 1), 0))
        extra = 2 * self._margin
        pixels: NDArray[np.int64] = ((last - first) * CELL + extra) * (end * CELL + extra)
        return pixels

    def _shrunk(self, box: Box) -> Box:
        top, left, bottom, right = box
        part = self._dirty[top:bottom, left:right]
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        return (
            top + int(rows[0]),
            left + int(columns[0]),
            top + int(rows[-1]) + 1,
            left + int(columns[-1]) + 1,
        )
