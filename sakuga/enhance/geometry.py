"""Sizes: from the stored picture to the result."""

from fractions import Fraction

from sakuga.enhance.plan import Geometry
from sakuga.enhance.spec import MAX_SCALE, Codec, EnhanceSpec
from sakuga.errors import LimitError, OptionError
from sakuga.media.info import VideoStream
from sakuga.media.upright import upright_sar, upright_size
from sakuga.settings import Limits

MAX_SAR = 8
"""Widest pixel that is believed, and its inverse the narrowest. Broadcast goes up to 2.9 (352x576, 16:9)."""

MAX_SIDE = 16384
"""Longest side in pixels that x264 and SVT-AV1 take."""

MIN_SIDE: dict[Codec, int] = {"hevc": 16, "av1": 64}
"""Shortest side in pixels: x265's own bound, and the superblock that AV1 encoders of all releases take."""


def pixel_aspect(video: VideoStream) -> Fraction:
    """Width over height of a pixel of the upright picture.

    A sample aspect ratio of 0, or one beyond `MAX_SAR` either way, is a broken header and counts as 1.
    """
    believed = Fraction(1, MAX_SAR) <= video.sar <= MAX_SAR
    return upright_sar(video) if believed else Fraction(1)


def display_size(video: VideoStream) -> tuple[Fraction, int]:
    """Size of the upright picture with square pixels: the height is kept, the width need not be whole."""
    width, height = upright_size(video)
    return width * pixel_aspect(video), height


def geometry(video: VideoStream, spec: EnhanceSpec, limits: Limits) -> Geometry:
    """Sizes of a source and of its result.

    The result is the display size times the scale, each side at the nearest even number (the larger of two),
    2 at least. A height in `spec` sets the scale.

    Raises:
        OptionError: the height is not between the source's and `MAX_SCALE` times it, or the codec cannot
            hold the size.
        LimitError: the result has more pixels than the limits allow.
    """
    width, height = display_size(video)
    if spec.height is not None and not height <= spec.height <= MAX_SCALE * height:
        raise OptionError(
            f"A height of {spec.height} is not possible for this source; "
            f"choose one from {_even(Fraction(height))} to {MAX_SCALE * height}."
        )
    scale = spec.scale if spec.height is None else Fraction(spec.height, height)
    output = _even(width * scale), _even(height * scale)
    _check_size(output, spec, limits)
    return Geometry(stored=(video.width, video.height), upright=upright_size(video), output=output)


def _even(value: Fraction) -> int:
    return max(2, 2 * int((value + 1) / 2))


def _check_size(size: tuple[int, int], spec: EnhanceSpec, limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_output_pixels:
        raise LimitError(
            f"The result would be {width}x{height}, more than the {limits.max_output_pixels} pixels that the "
            "setting limits.max_output_pixels allows; choose a smaller scale or height."
        )
    if max(size) > MAX_SIDE:
        raise OptionError(
            f"The result would be {width}x{height}, but video codecs end at {MAX_SIDE} pixels a side; "
            "choose a smaller scale or height."
        )
    shortest = MIN_SIDE.get(spec.codec, 2)
    if min(size) < shortest:
        raise OptionError(
            f"The result would be {width}x{height}, but {spec.codec} needs {shortest} pixels a side at "
            "least; choose a larger scale or another codec."
        )
