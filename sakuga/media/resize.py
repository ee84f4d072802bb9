"""Pictures of another size, chroma format, depth or range, with every sample where it belongs."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sakuga.media.info import ChromaFormat, Colour, PixelLayout
from sakuga.media.kernels import Axis, Floats, Kernel, resample
from sakuga.media.picture import Picture, Plane

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Levels:
    """What the samples of a plane stand for: `zero` is black, or no colour, and `span` its distance to 1.

    Limited range is 219 steps of luma above 16 and 224 of chroma around 128, in units of 8 bits
    (ITU-R BT.601, BT.709); full range uses every code.
    """

    zero: int
    span: int
    top: int

    @classmethod
    def of(cls, depth: int, full_range: bool, *, chroma: bool) -> "Levels":
        """Levels of luma or chroma samples of 8 or 10 bits."""
        unit, top = 1 << (depth - 8), (1 << depth) - 1
        if chroma:
            return cls(128 * unit, top if full_range else 224 * unit, top)
        return cls(0 if full_range else 16 * unit, top if full_range else 219 * unit, top)


def resize_picture(
    picture: Picture,
    size: tuple[int, int],
    layout: PixelLayout,
    colour: Colour,
    target: Colour | None = None,
) -> Picture:
    """Resample a whole picture with Lanczos' filter; one that is already as wanted is returned itself.

    Args:
        picture: the source; its colour is `colour`.
        size: width and height of the result in pixels.
        layout: layout of the result.
        colour: range and siting of the source; a matrix is never changed.
        target: range of the result, the source's where it is None.
    """
    target = target or colour
    same_samples = picture.layout == layout and colour.full_range == target.full_range
    if same_samples and (picture.width, picture.height) == size:
        return picture
    source = Levels.of(picture.layout.depth, colour.full_range, chroma=False)
    result = Levels.of(layout.depth, target.full_range, chroma=False)
    luma = resize_luma(picture.planes[0].astype(np.float32), size)
    first = from_floats(luma, source, result)
    return Picture((first, *resize_chroma(picture, size, layout, colour, target)), layout)


def resize_luma(luma: Floats, size: tuple[int, int], kernel: Kernel = "lanczos") -> Floats:
    """Resample a luma plane so that its edges stay where they are."""
    height, width = luma.shape
    return resample(luma, *luma_axes((width, height), size, kernel))


def resize_chroma(
    picture: Picture, size: tuple[int, int], layout: PixelLayout, colour: Colour, target: Colour | None = None
) -> tuple[Plane, ...]:
    """Chroma planes of the result: the source's resampled, or no colour for a grey source.

    Chroma samples stay sited as in `colour`, in the source and in the result.
    """
    if layout.chroma == "gray":
        return ()
    target = target or colour
    result = Levels.of(layout.depth, target.full_range, chroma=True)
    width, height = layout.chroma_size(*size)
    if picture.layout.chroma == "gray":
        neutral = from_floats(np.full((height, width), result.zero, np.float32), result, result)
        return neutral, neutral
    source = Levels.of(picture.layout.depth, colour.full_range, chroma=True)
    rows, columns = chroma_axes(
        (picture.width, picture.height), size, picture.layout.chroma, layout.chroma, colour.siting
    )
    if rows.identity and columns.identity and source == result:
        return picture.planes[1:]
    return tuple(
        from_floats(resample(plane.astype(np.float32), rows, columns), source, result)
        for plane in picture.planes[1:]
    )


def from_floats(samples: Floats, source: Levels, result: Levels) -> Plane:
    """Round samples on the scale of `source` to the codes of `result`; beyond its codes they are cut."""
    gain = np.float32(result.span / source.span)
    samples = samples * gain + np.float32(result.zero - source.zero * float(gain))
    np.rint(samples, out=samples)
    np.clip(samples, 0, result.top, out=samples)
    return samples.astype(np.uint8) if result.top == 255 else samples.astype(np.uint16)


def luma_axes(
    before: tuple[int, int], after: tuple[int, int], kernel: Kernel = "lanczos"
) -> tuple[Axis, Axis]:
    """Rows and columns of a resampling between two sizes in pixels, whose edges stay where they are."""
    across, down = (_luma_axis(*sizes, kernel) for sizes in zip(before, after, strict=True))
    return down, across


def chroma_axes(
    before: tuple[int, int], after: tuple[int, int], source: ChromaFormat, result: ChromaFormat, siting: str
) -> tuple[Axis, Axis]:
    """Rows and columns of a resampling of chroma planes, of which neither is grey.

    Args:
        before: width and height of the source picture in luma samples.
        after: width and height of the result in luma samples.
        source: the source's chroma format.
        result: the result's chroma format.
        siting: where the chroma samples of both are, as in `Colour`.
    """
    across, down = (
        _chroma_axis(sizes, steps, site)
        for sizes, steps, site in zip(
            zip(before, after, strict=True),
            zip(_steps(source), _steps(result), strict=True),
            _siting(siting),
            strict=True,
        )
    )
    return down, across


def _steps(chroma: ChromaFormat) -> tuple[int, int]:
    """Luma samples for each chroma sample, across and down."""
    return 2 if chroma in ("420", "422") else 1, 2 if chroma == "420" else 1


def _siting(siting: str) -> tuple[Fraction, Fraction]:
    """Where the first chroma sample of 4:2:0 is, in luma samples from the first one, across and down."""
    across = Fraction(0) if "left" in siting else HALF
    down = Fraction(0) if siting.startswith("top") else Fraction(1) if siting.startswith("bottom") else HALF
    return across, down


def _chroma_axis(luma: tuple[int, int], steps: tuple[int, int], site: Fraction) -> Axis:
    offsets = tuple(site if step == 2 else Fraction(0) for step in steps)
    scale = Fraction(luma[1], luma[0])
    first = ((offsets[1] + HALF) / scale - HALF - offsets[0]) / steps[0]
    sizes = [-(-samples // step) for samples, step in zip(luma, steps, strict=True)]
    return Axis(sizes[0], sizes[1], first, Fraction(steps[1], steps[0]) / scale, "cubic")


def _luma_axis(size_in: int, size_out: int, kernel: Kernel) -> Axis:
    scale = Fraction(size_out, size_in)
    return Axis(size_in, size_out, HALF / scale - HALF, 1 / scale, kernel)
