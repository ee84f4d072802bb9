"""The form that every picture of an episode is brought to: size, rate, layout, colour, encoder."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from sakuga.enhance.geometry import MAX_SIDE, MIN_SIDE, display_size
from sakuga.enhance.planner import MAX_RATE_AV1
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import OptionError
from sakuga.media.codecs import EncodeSettings, choose_layout, encoder_options, output_colour
from sakuga.media.colour import LUMA_SHARES
from sakuga.media.encode import ChunkWriter
from sakuga.media.info import Colour, Frozen, MediaInfo, PixelLayout, Rational, VideoStream
from sakuga.media.rates import STANDARD_RATES
from sakuga.media.timing import MAX_TIMESCALE
from sakuga.media.tonemap import sdr_colour
from sakuga.media.upright import upright_colour

T = TypeVar("T", bound=Hashable)

HD_COLOUR = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=False)
"""What an episode has where its clips do not say better."""

MAX_RATE = Fraction(480)
"""Most frames per second of an episode, the bound of `EpisodeOutput.fps`."""


class Form(Frozen):
    """What every picture of an episode is like; pixels are square and sides even."""

    width: int
    height: int
    rate: Rational
    layout: PixelLayout
    colour: Colour
    settings: EncodeSettings

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height


def segment_writer(output: Path, form: Form) -> ChunkWriter:
    """What encodes pictures of the form into a file of a segment, whose times are numbers of frames.

    Raises:
        SakugaError: as `ChunkWriter` does.
    """
    return ChunkWriter(
        output,
        size=form.size,
        layout=form.layout,
        colour=form.colour,
        settings=form.settings,
        frame_rate=form.rate,
        time_base=1 / form.rate,
    )


def choose_form(spec: EpisodeSpec, infos: Sequence[MediaInfo]) -> Form:
    """The form of an episode; what it leaves open is taken from the clips, so that most stay as they are.

    Size: the most frequent of the upright clips with square pixels, sides at the nearest even number. Rate:
    the most frequent, of a variable one the standard rate nearest to its mean. Colour: the most frequent of
    the clips of that size, else BT.709; HDR counts as what it is tone-mapped to. Ties go to the larger.

    Args:
        spec: the episode.
        infos: what the clip of each scene holds, without those that are missing.

    Raises:
        OptionError: no clip is there and the file names no size or rate, or the codec cannot hold them.
    """
    videos = [info.video for info in infos]
    output = spec.output
    if not videos and (output.width is None or output.fps is None):
        raise OptionError(
            "No clip of the episode can be used, so its size and frame rate are not known; "
            "correct the clips, or give `width`, `height` and `fps` under `output`."
        )
    sizes = [square_size(video) for video in videos]
    if output.width is not None and output.height is not None:
        size = output.width, output.height
    else:
        size = _most(sizes, larger=lambda one: Fraction(one[0] * one[1]))
    rate = output.fps or min(_most(map(_rate, videos), larger=lambda one: one), MAX_RATE)
    alike = [clip_colour(video) for video, own in zip(videos, sizes, strict=True) if own == size]
    # a matrix that nothing here can compute with is read as BT.709, and must not be written
    alike = [one for one in alike if one.matrix in LUMA_SHARES]
    colour = _most(alike, larger=lambda one: Fraction(one.matrix == "bt709")) if alike else HD_COLOUR
    settings = EncodeSettings(
        codec=output.codec, quality=output.quality, preset=output.preset, container=output.container
    )
    # players everywhere show 4:2:0; ProRes has no 8 bits, and 8 is what is meant where nothing is asked for
    depth = "10" if output.codec == "prores" else output.bit_depth
    layout = choose_layout(
        PixelLayout(chroma="420", depth=8), Fraction(1), output.codec, settings.hardware, depth
    )
    form = Form(
        width=size[0],
        height=size[1],
        rate=rate,
        layout=layout,
        colour=output_colour(colour, output.codec),
        settings=settings,
    )
    _check(form)
    return form


def square_size(video: VideoStream) -> tuple[int, int]:
    """Width and height of the upright picture with square pixels, each at the nearest even number."""
    width, height = display_size(video)
    return even(width), even(Fraction(height))


def even(value: Fraction) -> int:
    """The nearest even number, the larger of two, 2 at least."""
    return max(2, 2 * int((value + 1) / 2))


def clip_colour(video: VideoStream) -> Colour:
    """What the samples of a clip's upright pictures stand for, after tone mapping where it is HDR."""
    colour = upright_colour(video)
    return (sdr_colour(colour) if video.hdr else colour).model_copy(update={"tagged": True})


def _rate(video: VideoStream) -> Fraction:
    if video.constant_rate:
        return video.frame_rate
    return min(STANDARD_RATES, key=lambda rate: abs(rate / video.frame_rate - 1))


def _most(values: Iterable[T], larger: Callable[[T], Fraction]) -> T:
    """The most frequent value; of several the one that is larger, then the one that comes first."""
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], larger(value)))


def _check(form: Form) -> None:
    """Refuse what the encoder would refuse later.

    Raises:
        OptionError: size, rate or preset cannot be done.
    """
    codec, shortest = form.settings.codec, MIN_SIDE.get(form.settings.codec, 2)
    if min(form.size) < shortest or max(form.size) > MAX_SIDE:
        raise OptionError(
            f"The episode would be {form.width}x{form.height}, but {codec} holds from {shortest} to "
            f"{MAX_SIDE} pixels a side; give another `width` and `height` under `output`."
        )
    if codec == "av1" and form.rate > MAX_RATE_AV1:
        raise OptionError(
            f"AV1 ends at {MAX_RATE_AV1} frames per second, and the episode would have "
            f"{float(form.rate):g}; give a lower `fps` or another codec."
        )
    if max(form.rate.numerator, form.rate.denominator) > MAX_TIMESCALE:
        raise OptionError(
            f"No container can hold {form.rate} frames per second; give a simpler fraction as `fps`, "
            "such as 24000/1001."
        )
    encoder_options(form.settings, form.layout, form.colour)
