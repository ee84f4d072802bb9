"""What a container holds, exactly: the value types that a probe returns."""

import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

_HUGE = re.compile(r"e[+-]?[0-9_]{4}", re.IGNORECASE)
_PATTERN = r"^\s*-?[0-9]{1,18}(/[0-9]{1,18}|\.[0-9]{1,18})?\s*$"


def _fraction(value: Any) -> Any:  # noqa: ANN401 - a pydantic validator takes anything
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return value
    if isinstance(value, str) and _HUGE.search(value):
        # `1e999999999` is a fraction too, and would fill the memory
        raise ValueError("must be a number such as 24, 23.976 or 24000/1001")
    try:
        return Fraction(value)
    except ZeroDivisionError as error:
        raise ValueError("the denominator of a fraction must not be zero") from error


Rational = Annotated[
    Fraction,
    BeforeValidator(_fraction),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["24000/1001"]}),
]
"""An exact number, written as `n/d` in JSON. Times are in seconds, rates in frames per second."""

ChromaFormat = Literal["gray", "420", "422", "444"]
FieldOrder = Literal["progressive", "tff", "bff", "unknown"]
HdrKind = Literal["pq", "hlg"]


class Frozen(BaseModel):
    """An immutable value that can be written as JSON."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid")


class PixelLayout(Frozen):
    """How the samples of a picture are stored: planes Y, U, V of 8 bits, or of 10 bits in 16."""

    chroma: ChromaFormat
    depth: Literal[8, 10]

    @property
    def pix_fmt(self) -> str:
        """ffmpeg's name of this layout."""
        base = "gray" if self.chroma == "gray" else f"yuv{self.chroma}p"
        return base if self.depth == 8 else f"{base}10le"

    def chroma_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a chroma plane of a picture of this size."""
        return (
            -(-width // 2) if self.chroma in ("420", "422") else width,
            -(-height // 2) if self.chroma == "420" else height,
        )


class Colour(Frozen):
    """How sample values stand for colours, in ffmpeg's names.

    `tagged` tells whether the source said its matrix; where it did not, untagged SD is BT.601 (smpte170m,
    or bt470bg with 576 lines) and untagged HD is BT.709.
    """

    matrix: str
    primaries: str
    transfer: str
    full_range: bool
    siting: Literal["left", "center", "topleft", "top", "bottomleft", "bottom"] = "left"
    tagged: bool = True


class VideoStream(Frozen):
    """A video stream, as stored: sizes are before rotation, times in ticks of `time_base`.

    `frame_rate` is the constant rate, exactly, or for a variable-rate stream its mean; `frames` counts the
    packets that show a frame. `rotation` is how far the picture must be turned clockwise to stand upright.
    """

    index: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    layout: PixelLayout
    rgb: bool = False
    alpha: bool = False
    time_base: Rational
    start: Rational
    duration: Rational
    frame_rate: Rational
    constant_rate: bool
    frames: int
    sar: Rational = Fraction(1)
    rotation: Literal[0, 90, 180, 270] = 0
    flipped: bool = False
    """Mirrored left to right before it is turned."""
    field_order: FieldOrder = "unknown"
    colour: Colour
    hdr: HdrKind | None = None
    language: str | None = None
    title: str | None = None


class AudioStream(Frozen):
    """An audio stream; `start` and `duration` in seconds on the container's clock."""

    index: int
    codec: str
    sample_rate: int
    channels: int
    layout: str
    start: Rational | None
    duration: Rational | None
    bit_rate: int | None = None
    language: str | None = None
    title: str | None = None
    default: bool = False


class SubtitleStream(Frozen):
    """A subtitle stream: `text` can be converted between text formats, `bitmap` only copied."""

    index: int
    codec: str
    kind: Literal["text", "bitmap"]
    language: str | None = None
    title: str | None = None


class OtherStream(Frozen):
    """A stream that is not enhanced: another video, a cover, data, or an attached file such as a font."""

    index: int
    kind: Literal["video", "cover", "data", "attachment"]
    codec: str | None = None
    name: str | None = None
    mime: str | None = None


class Chapter(Frozen):
    """A chapter, in seconds on the container's clock."""

    start: Rational
    end: Rational
    title: str | None = None


class MediaInfo(Frozen):
    """What a container holds, exactly. `video` is the stream that would be enhanced.

    `start` is the earliest time of any stream on the container's clock, in seconds; `duration` is from there
    to the end of the last packet of any stream.
    """

    container: str
    size: int
    start: Rational
    duration: Rational
    video: VideoStream
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[SubtitleStream, ...] = ()
    others: tuple[OtherStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    metadata: dict[str, str] = {}
