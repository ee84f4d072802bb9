"""Which parts of a result are made of which parts of its source."""

from fractions import Fraction
from math import ceil

from sakuga.media.resize import chroma_axes, luma_axes
from sakuga.models.base import Rect
from sakuga.models.tensors import ResultForm
from sakuga.models.tiles import Size
from sakuga.models.torch_resize import support


def resampling_reach(source: Size, network: Size, size: Size) -> Fraction:
    """How far the resampling to `size` sees, in source pixels, with the widest chroma that a layout has."""
    pixel = max(Fraction(before, after) for before, after in zip(source, size, strict=True))
    found = Fraction(0)
    for axis, side in zip(luma_axes(network, size), source[::-1], strict=True):
        found = max(found, support(axis) * Fraction(side, axis.size_in))
    for axis, side in zip(chroma_axes(network, size, "444", "420", "left"), source[::-1], strict=True):
        # a chroma sample may be a pixel of the result away from the luma sample that it goes with
        found = max(found, support(axis) * Fraction(side, axis.size_in) + pixel)
    return found


def owned(core: Rect, source: Size, size: Size) -> Rect:
    """The luma samples of a result whose centres are in an area of the source."""
    across, down = Fraction(size[0], source[0]), Fraction(size[1], source[1])
    half = Fraction(1, 2)
    return Rect(
        ceil(core.left * across - half),
        ceil(core.top * down - half),
        ceil(core.right * across - half),
        ceil(core.bottom * down - half),
    )


def finished_part(form: ResultForm, begin: int, bottom: int) -> Rect:
    """Rows of the result from `begin` on that need no row of the network's picture from `bottom` on."""
    width, height = form.size
    low, high = begin, height
    while low < high:
        middle = (low + high + 1) // 2
        if form.needed(Rect(0, begin, width, middle)).bottom <= bottom:
            low = middle
        else:
            high = middle - 1
    return Rect(0, begin, width, low)


def joined(one: Rect, other: Rect) -> Rect:
    """The smallest area that holds both."""
    return Rect(
        min(one.left, other.left),
        min(one.top, other.top),
        max(one.right, other.right),
        max(one.bottom, other.bottom),
    )


def common(one: Rect, other: Rect) -> Rect:
    """What lies in both areas; of no width or height where nothing does."""
    left, top = max(one.left, other.left), max(one.top, other.top)
    return Rect(left, top, max(left, min(one.right, other.right)), max(top, min(one.bottom, other.bottom)))
