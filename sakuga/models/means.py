"""Mean colours of a picture's cells, and the smooth surface that has given means."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil

import numpy as np
import torch
from torch import Tensor

from sakuga.media.kernels import Axis
from sakuga.models.base import Rect
from sakuga.models.tiles import Size

CELL = 8
"""Side, in source pixels, of the cells whose mean colour the result keeps."""

LEAST = 4
"""Pixels of the result that a cell has along a side at least: results smaller than that have larger cells."""


def cell_side(source: Size, size: Size) -> int:
    """Side in source pixels of the cells of a result: `CELL`, or a multiple of it for a tiny result."""
    pixel = max(Fraction(before, after) for before, after in zip(source, size, strict=True))
    return CELL * ceil(max(Fraction(1), LEAST * pixel / CELL))


def cell_area(region: Rect, side: int, margin: int, source: Size) -> Rect:
    """The cells that hold a region, and `margin` cells around them, cut at the picture's edges."""
    return Rect(
        max(0, (region.left // side - margin) * side),
        max(0, (region.top // side - margin) * side),
        min(source[0], (-(-region.right // side) + margin) * side),
        min(source[1], (-(-region.bottom // side) + margin) * side),
    )


def cell_sums(planes: Tensor, at: tuple[int, int], side: int) -> Tensor:
    """Sums over the samples of each cell.

    Samples are added in pairs, whole rows at a time: in an order that does not depend on the picture's size.

    Args:
        planes: fp32 of shape (planes, height, width).
        at: row and column of the picture that the first sample is; cells begin at multiples of `side`.
        side: of the cells, in samples.

    Returns:
        Shape (planes, rows of cells, columns of cells); what is not in `planes` counts as 0.
    """
    down = _folded(planes, at[0] % side, side)
    return _folded(down.transpose(-1, -2), at[1] % side, side).transpose(-1, -2)


def _folded(planes: Tensor, before: int, side: int) -> Tensor:
    after = -(before + planes.shape[-2]) % side
    if before or after:
        planes = torch.nn.functional.pad(planes, (0, 0, before, after))
    number, height, width = planes.shape
    rows = planes.reshape(number, height // side, side, width)
    # the upper half onto the lower one, again and again; sides are even, as those of cells are
    side //= 2
    total: Tensor = rows[..., :side, :] + rows[..., side:, :]
    while side > 1:
        half = -(-side // 2)
        total[..., : side - half, :] += total[..., half:side, :]
        side = half
    return total[..., 0, :]


@dataclass(frozen=True)
class Surface:
    """The places of a result's samples in the cells along one direction.

    In a cell, the surface is the parabola that has the cell's mean, and at each border the mean of both
    cells: it is continuous, and its mean over a cell is right. Of the bilinear surface through the cells'
    middles, a quarter of a cell's mean (in two directions, 7 of 16) would come from its neighbours.

    Attributes:
        cells: the cell that each sample lies in.
        weights: of the cell before, this one, and the one after; shape (3, samples).
    """

    cells: Tensor
    weights: Tensor

    def rows(self, values: Tensor, first: int, begin: int, end: int) -> Tensor:
        """Rows of the surface; beyond the cells that there are, those at the edges repeat.

        Args:
            values: of cells, shape (..., cells, width).
            first: number of the first cell.
            begin: first sample.
            end: end of the samples.
        """
        total = None
        for number, weights in enumerate(self.weights[:, begin:end, None], -1):
            places = self.cells[begin:end] + (number - first)
            rows = values.index_select(-2, places.clamp_(0, values.shape[-2] - 1)).mul_(weights)
            total = rows if total is None else total.add_(rows)
        assert total is not None
        return total


@lru_cache(maxsize=64)
def surface_of(axis: Axis, source: int, size: int, side: int, device: torch.device) -> Surface:
    """The surface along one direction of a plane.

    Args:
        axis: how the plane is made of the network's picture.
        source: pixels of the source.
        size: luma samples of the result.
        side: of the cells, in source pixels.
        device: where it is used.
    """
    count, factor = axis.size_out, axis.size_in // source
    samples = np.arange(count)
    # a chroma sample is in the cell of its luma sample, so that both belong to the same parts
    owners = samples * (2 if count < size else 1)
    cells = (2 * owners + 1) * source // (2 * size * side)
    lengths = np.minimum(side, source - cells * side)
    places = (float(axis.first) + samples * float(axis.step) + 0.5) / factor
    across = np.clip((places - cells * side) / lengths, 0, 1)
    bow = 1.5 * across * (1 - across)
    before, after = (1 - across) / 2 - bow, across / 2 - bow
    weights = np.stack([before, 1 - before - after, after]).astype(np.float32)
    return Surface(torch.from_numpy(cells).to(device), torch.from_numpy(weights).to(device))
