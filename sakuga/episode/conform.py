"""Pictures of any size, shape and colour brought to an episode's form."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from sakuga.enhance.geometry import pixel_aspect
from sakuga.episode.form import Form, clip_colour, even
from sakuga.episode.spec import Fit
from sakuga.media.colour import luma_shares
from sakuga.media.info import ChromaFormat, Colour, Frozen, PixelLayout, Rational, VideoStream
from sakuga.media.kernels import Axis, Floats, Kernel, resample
from sakuga.media.picture import Picture, Plane
from sakuga.media.resize import Levels, from_floats
from sakuga.media.upright import upright_layout, upright_size

HALF = Fraction(1, 2)


class Placement(Frozen):
    """Which part of an upright picture is seen, and where in the form.

    `part` is left, top, width and height in samples of the picture; of an odd size it may reach a sample
    beyond, where the last one is repeated. `place` is the same in pixels of the form, all of them even.
    """

    part: tuple[Rational, Rational, Rational, Rational]
    place: tuple[int, int, int, int]


def placement(video: VideoStream, fit: Fit, size: tuple[int, int]) -> Placement:
    """Where a clip's pictures go in a form of this size.

    `fit` shows all of them, with sides at the nearest even number, in the middle; `fill` cuts off evenly what
    is too much; `stretch` gives up the shape.
    """
    wide, high = upright_size(video)
    aspect = pixel_aspect(video)
    width, height = size
    if aspect == 1 and (even(Fraction(wide)), even(Fraction(high))) == size:
        # an odd size is filled up, not scaled by a thousandth, which would only blur it
        whole_form = Fraction(0), Fraction(0), Fraction(width), Fraction(height)
        return Placement(part=whole_form, place=(0, 0, width, height))
    scales = Fraction(width) / (wide * aspect), Fraction(height, high)
    if fit == "fill":
        part_width, part_height = width / max(scales) / aspect, height / max(scales)
        part = ((wide - part_width) / 2, (high - part_height) / 2, part_width, part_height)
        return Placement(part=part, place=(0, 0, width, height))
    whole = (Fraction(0), Fraction(0), Fraction(wide), Fraction(high))
    if fit == "stretch":
        return Placement(part=whole, place=(0, 0, width, height))
    inner_width = min(width, even(wide * aspect * min(scales)))
    inner_height = min(height, even(high * min(scales)))
    left, top = (width - inner_width) // 4 * 2, (height - inner_height) // 4 * 2
    return Placement(part=whole, place=(left, top, inner_width, inner_height))


@dataclass(frozen=True)
class _Grid:
    """Where samples of a plane lie: one for every `step` luma samples, the first `site` after their first."""

    step: int
    site: Fraction


_LUMA = _Grid(1, Fraction(0))


def _grids(chroma: ChromaFormat, siting: str) -> tuple[_Grid, _Grid]:
    """Rows and columns of chroma planes."""
    down = Fraction(0) if siting.startswith("top") else Fraction(1) if siting.startswith("bottom") else HALF
    across = Fraction(0) if "left" in siting else HALF
    rows = _Grid(2, down) if chroma == "420" else _LUMA
    columns = _Grid(2, across) if chroma in ("420", "422") else _LUMA
    return rows, columns


def _axis(
    luma: int, part: tuple[Fraction, Fraction], target: int, grids: tuple[_Grid, _Grid], kernel: Kernel
) -> Axis:
    """One direction of a resampling of a plane.

    Args:
        luma: luma samples of the source.
        part: where in them the part begins that is wanted, and how long it is.
        target: luma samples of the result.
        grids: of the source's plane and of the result's.
        kernel: of the resampling.
    """
    source, result = grids
    scale = part[1] / target
    first = part[0] + (result.site + HALF) * scale - HALF - source.site
    return Axis(
        -(-luma // source.step),
        -(-target // result.step),
        first / source.step,
        result.step * scale / source.step,
        kernel,
    )


def matrix_between(source: str, target: str) -> Floats | None:
    """What changes one matrix of Y, Cb and Cr, zero-based with spans of 1, into another; None where equal.

    Grey has no colour in any of them, so its first column is 1, 0, 0: chroma depends on chroma alone, and is
    converted where it lies, at its own resolution (ITU-T H.273, 8.3).
    """
    if luma_shares(source) == luma_shares(target):
        return None
    red, green, blue = luma_shares(source)
    to_rgb = np.array(
        [
            [1, 0, 2 - 2 * red],
            [1, -(2 - 2 * blue) * blue / green, -(2 - 2 * red) * red / green],
            [1, 2 - 2 * blue, 0],
        ]
    )
    red, green, blue = luma_shares(target)
    luma = np.array([red, green, blue])
    from_rgb = np.array(
        [luma, (np.array([0, 0, 1]) - luma) / (2 - 2 * blue), (np.array([1, 0, 0]) - luma) / (2 - 2 * red)]
    )
    return np.asarray(from_rgb @ to_rgb, np.float32)


class Conform:
    """Brings the upright pictures of one clip to the form; the same picture always gives the same result."""

    def __init__(self, video: VideoStream, fit: Fit, form: Form) -> None:
        """Work out what has to be done.

        Args:
            video: the clip's stream.
            fit: how another shape is made to fit.
            form: the episode's form.
        """
        self._form = form
        colour, layout = clip_colour(video), upright_layout(video)
        self._spot = placement(video, fit, form.size)
        self._matrix = matrix_between(colour.matrix, form.colour.matrix)
        self._luma_levels = _levels(layout, colour, form, chroma=False)
        self._chroma_levels = _levels(layout, colour, form, chroma=True)
        self._luma = self._axes(video, (_LUMA, _LUMA), (_LUMA, _LUMA), "lanczos")
        self._grey = layout.chroma == "gray"
        own = _grids(form.layout.chroma, form.colour.siting)
        self._chroma = self._axes(video, _grids(layout.chroma, colour.siting), own, "cubic")
        inner = self._spot.place[3], self._spot.place[2]
        self._up = tuple(
            _axis(size, (Fraction(0), Fraction(size)), size, (grid, _LUMA), "cubic")
            for size, grid in zip(inner, own, strict=True)
        )
        same = self._luma_levels[0] == self._luma_levels[1] and self._matrix is None
        self._luma_kept = same and all(axis.identity for axis in self._luma)
        self._chroma_kept = (
            same
            and not self._grey
            and self._chroma_levels[0] == self._chroma_levels[1]
            and all(axis.identity for axis in self._chroma)
        )

    @property
    def untouched(self) -> bool:
        """Whether every picture is returned as it came."""
        return self._luma_kept and self._chroma_kept and self._spot.place == (0, 0, *self._form.size)

    def __call__(self, picture: Picture) -> Picture:
        """The picture in the form; itself where it has that already."""
        if self.untouched:
            return picture
        chroma = self._resampled_chroma(picture)
        planes = [self._new_luma(picture.planes[0], chroma)]
        planes += picture.planes[1:] if self._chroma_kept else self._new_chroma(chroma)
        return Picture(self._framed(planes), self._form.layout)

    def _axes(
        self,
        video: VideoStream,
        source: tuple[_Grid, _Grid],
        target: tuple[_Grid, _Grid],
        kernel: Kernel,
    ) -> tuple[Axis, Axis]:
        """Rows and columns of a plane."""
        wide, high = upright_size(video)
        left, top, part_width, part_height = self._spot.part
        width, height = self._spot.place[2:]
        rows = _axis(high, (top, part_height), height, (source[0], target[0]), kernel)
        return rows, _axis(wide, (left, part_width), width, (source[1], target[1]), kernel)

    def _resampled_chroma(self, picture: Picture) -> list[Floats]:
        """Cb and Cr without their offset, as the result has its samples but in the source's codes."""
        if self._chroma_kept:
            return []
        if self._grey:
            shape = self._chroma_shape()
            return [np.zeros(shape, np.float32), np.zeros(shape, np.float32)]
        zero = np.float32(self._chroma_levels[0].zero)
        return [resample(plane.astype(np.float32) - zero, *self._chroma) for plane in picture.planes[1:]]

    def _chroma_shape(self) -> tuple[int, int]:
        width, height = self._form.layout.chroma_size(*self._spot.place[2:])
        return height, width

    def _new_luma(self, luma: Plane, chroma: Sequence[Floats]) -> Plane:
        if self._luma_kept:
            return luma
        samples = resample(luma.astype(np.float32), *self._luma)
        if self._matrix is not None and not self._grey:
            unit = np.float32(self._luma_levels[0].span / self._chroma_levels[0].span)
            blue, red = self._matrix[0, 1:] * unit
            samples = samples + resample(blue * chroma[0] + red * chroma[1], *self._up)
        return from_floats(samples, *self._luma_levels)

    def _new_chroma(self, chroma: Sequence[Floats]) -> list[Plane]:
        if self._matrix is not None:
            chroma = [row[1] * chroma[0] + row[2] * chroma[1] for row in self._matrix[1:]]
        zero = np.float32(self._chroma_levels[0].zero)
        return [from_floats(samples + zero, *self._chroma_levels) for samples in chroma]

    def _framed(self, planes: Sequence[Plane]) -> tuple[Plane, ...]:
        """The planes with black around them."""
        left, top, width, height = self._spot.place
        if (width, height) == self._form.size:
            return tuple(planes)
        framed = []
        for black, plane in zip(black_planes(self._form), planes, strict=True):
            step_x, step_y = self._form.width // black.shape[1], self._form.height // black.shape[0]
            y, x = top // step_y, left // step_x
            black[y : y + plane.shape[0], x : x + plane.shape[1]] = plane
            framed.append(black)
        return tuple(framed)


def black_planes(form: Form) -> tuple[Plane, ...]:
    """New planes of a black picture."""
    dtype: Any = np.uint8 if form.layout.depth == 8 else np.uint16
    width, height = form.layout.chroma_size(*form.size)
    luma, chroma = form_levels(form)
    return (
        np.full((form.height, form.width), luma.zero, dtype),
        np.full((height, width), chroma.zero, dtype),
        np.full((height, width), chroma.zero, dtype),
    )


def form_levels(form: Form) -> tuple[Levels, Levels]:
    """What the form's samples of luma and of chroma stand for."""
    depth, full = form.layout.depth, form.colour.full_range
    return Levels.of(depth, full, chroma=False), Levels.of(depth, full, chroma=True)


def _levels(layout: PixelLayout, colour: Colour, form: Form, *, chroma: bool) -> tuple[Levels, Levels]:
    source = Levels.of(layout.depth, colour.full_range, chroma=chroma)
    return source, form_levels(form)[chroma]
