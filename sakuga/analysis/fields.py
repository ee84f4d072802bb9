"""Measures of fields: how combed two fields are when woven, and how much fields change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.media.picture import Picture

Field = NDArray[np.uint8]
Floats = NDArray[np.float32]

BLOCK = (8, 16)
"""Lines of a field and columns that are judged together: about a mouth in a drawn face at 480 lines."""
NOISE = 6
"""Code values of 8 bits that a line may stick out from its neighbours: grain and coding noise."""
COLUMNS = 480
"""Columns are skipped in wider pictures; combing shows on every column alike."""
MIN_LINES = 8
"""Lower pictures are made this high, for a line to have neighbours in its own field."""
REACH = 3
"""How many frames back the bottom field is compared: matched neighbours lie at most that far apart."""


@dataclass(frozen=True, eq=False)
class FieldMeasures:
    """One value for every decoded frame k, float32; not a number where there is no such neighbour.

    `here`, `before`, `after`: how combed the top field of frame k is when woven with the bottom field of
    frame k, k-1 and k+1. `top_change[k]`: largest change of a block of the top field since frame k-1, in
    code values of 8 bits. `bottom_change[d-1][k]`: the same of the bottom field since frame k-d.
    """

    here: Floats
    before: Floats
    after: Floats
    top_change: Floats
    bottom_change: Floats

    def __len__(self) -> int:
        return len(self.here)

    @property
    def change(self) -> Floats:
        """Largest change of a block of frame k since frame k-1."""
        return np.asarray(np.fmax(self.top_change, self.bottom_change[0]), np.float32)


def measure(pictures: Iterable[Picture], on_frame: Callable[[int], None] | None = None) -> FieldMeasures:
    """Field measures of consecutive decoded frames; luma only, three frames in memory.

    Args:
        pictures: the frames.
        on_frame: is called with the number of frames that have been read.
    """
    rows: list[list[float]] = []
    recent: list[tuple[Field, Field]] = []
    motions: list[Field] = []
    none = float("nan")
    for number, picture in enumerate(pictures):
        recent.append(fields_of(picture))
        top, bottom = recent[-1]
        past = [recent[-1 - d] if d < len(recent) else None for d in range(1, REACH + 1)]
        changes = [block_change(bottom, old[1]) if old else none for old in past]
        top_change = block_change(top, past[0][0]) if past[0] else none
        rows.append([none, none, none, top_change, *changes])
        if past[0]:
            motions.append(_motion(past[0], (top, bottom)))
            _comb_of(rows, recent, motions, len(rows) - 2, number)
        del recent[: -REACH - 1], motions[:-2]
        if on_frame:
            on_frame(number + 1)
    if len(rows) > 1:
        # the last frame has no neighbour after it
        motion, (top, bottom) = motions[-1], recent[-1]
        rows[-1][0] = comb(top, bottom, motion)
        rows[-1][1] = comb(top, recent[-2][1], motion)
    elif rows:
        rows[0][0] = 0.0
    table = np.array(rows, np.float32).reshape(-1, 4 + REACH).T
    return FieldMeasures(table[0], table[1], table[2], table[3], table[4:])


def fields_of(picture: Picture) -> tuple[Field, Field]:
    """The luma's top and bottom field as 8 bits, of the same number of lines, columns thinned."""
    luma: NDArray[Any] = picture.planes[0]
    if picture.height < MIN_LINES:
        luma = np.pad(luma, ((0, MIN_LINES - picture.height), (0, 0)), mode="edge")
    luma = luma[: luma.shape[0] // 2 * 2, :: max(1, picture.width // COLUMNS)]
    eight = (luma >> (picture.layout.depth - 8)).astype(np.uint8, copy=False)
    return np.ascontiguousarray(eight[0::2]), np.ascontiguousarray(eight[1::2])


def comb(top: Field, bottom: Field, motion: Field) -> float:
    """How combed two fields are when woven: 0 where every line lies between its neighbours.

    A sample is combed by as much as it sticks out of the range of the samples above and below it, beyond
    `NOISE`, and never by more than the picture moves there: fine horizontal lines that stand still are no
    combing. From each block's mean the same measure within the single fields is taken away, for grain and
    fine texture stick out there too. The result is the root mean square over blocks, in code values, so that
    a small moving part of a still picture counts.
    """
    out_bottom = _sticks_out(bottom[:-1], top[:-1], top[1:])
    out_top = _sticks_out(top[1:], bottom[:-1], bottom[1:])
    woven = _blocks(_limited(_larger(out_bottom, out_top), motion[:-1]))
    blocks = np.maximum(woven - _texture(top, bottom, motion), 0)
    return float(np.sqrt(np.mean(blocks * blocks)))


def block_change(field: Field, other: Field) -> float:
    """Mean absolute difference of the block that differs most, in code values."""
    return float(_blocks(cv2.absdiff(field, other)).max())


def _texture(top: Field, bottom: Field, motion: Field) -> Floats:
    out = _larger(*(_sticks_out(field[1:-1], field[:-2], field[2:]) for field in (top, bottom)))
    limited = _limited(out, motion[1:-1])
    return _blocks(np.concatenate([limited[:1], limited]))


def _larger(one: Field, other: Field) -> Field:
    return np.asarray(cv2.max(one, other), np.uint8)


def _limited(out: Field, motion: Field) -> Field:
    moving = cv2.min(out, motion)
    return np.asarray(cv2.subtract(moving, np.full_like(moving, NOISE)), np.uint8)


def _comb_of(
    rows: list[list[float]],
    recent: list[tuple[Field, Field]],
    motions: list[Field],
    row: int,
    number: int,
) -> None:
    """Fill in the combing of the frame before the newest one."""
    after, (top, bottom) = recent[-1], recent[-2]
    motion = motions[-1] if number == 1 else _larger(motions[-1], motions[-2])
    rows[row][0] = comb(top, bottom, motion)
    rows[row][2] = comb(top, after[1], motion)
    if number > 1:
        rows[row][1] = comb(top, recent[-3][1], motion)


def _motion(one: tuple[Field, Field], other: tuple[Field, Field]) -> Field:
    top, bottom = (np.asarray(cv2.absdiff(a, b), np.uint8) for a, b in zip(one, other, strict=True))
    return _larger(top, bottom)


def _sticks_out(line: Field, above: Field, below: Field) -> Field:
    over = cv2.subtract(line, cv2.max(above, below))
    under = cv2.subtract(cv2.min(above, below), line)
    return _larger(np.asarray(over, np.uint8), np.asarray(under, np.uint8))


def _blocks(values: NDArray[np.uint8] | cv2.typing.MatLike) -> Floats:
    height, width = values.shape[:2]
    lines, columns = min(BLOCK[0], height), min(BLOCK[1], width)
    cut = values[: height // lines * lines, : width // columns * columns].astype(np.float32)
    size = (cut.shape[1] // columns, cut.shape[0] // lines)
    return np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.float32)
