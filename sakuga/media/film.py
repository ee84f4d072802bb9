"""Film frames: whole progressive pictures, made of decoded frames."""

from collections.abc import Iterator
from typing import Literal, Protocol

from sakuga.errors import ContractError
from sakuga.media.deinterlace import CONTEXT, bwdif, fill_bottom_field, weave
from sakuga.media.info import Frozen, Rational, VideoStream
from sakuga.media.picture import Picture
from sakuga.media.tonemap import to_sdr
from sakuga.media.upright import upright

FilmKind = Literal["frames", "bob", "deinterlaced", "woven"]


class Film(Frozen):
    """How film frames are made of decoded frames.

    * `frames`: film frame k is decoded frame `top[k]`.
    * `bob`: decoded frame k gives the film frames 2k and 2k+1, one for each field; `top` is empty.
    * `deinterlaced`: decoded frame k gives film frame k; `top` is empty.
    * `woven`: film frame k has the top field of decoded frame `top[k]` and the bottom field of `bottom[k]`;
      where `combed[k]` it is then deinterlaced in space.

    `top` empty with `frames` means that film frames are the decoded frames, all of them.
    """

    kind: FilmKind
    count: int
    top_field_first: bool = True
    top: tuple[int, ...] = ()
    bottom: tuple[int, ...] = ()
    combed: tuple[bool, ...] = ()

    def decoded_span(self, first: int, end: int) -> tuple[int, int]:
        """Half-open range of decoded frames that film frames [first, end) are made of, without context."""
        if self.kind == "bob":
            return first // 2, (end + 1) // 2
        if not self.top:
            return first, end
        used = self.top[first:end] + self.bottom[first:end]
        return min(used), max(used) + 1


class FilmTrack(Frozen):
    """Film frames with their exact times.

    Film frame k is shown at `times[k]` ticks of `time_base` on the container's clock; `end` is when the last
    one stops being shown. `rate` is the constant rate in frames per second, None where times vary.
    """

    film: Film
    time_base: Rational
    times: tuple[int, ...]
    end: int
    rate: Rational | None


class PictureSource(Protocol):
    """Whatever gives decoded frames; `sakuga.media.decode.FrameReader` does."""

    def read(self, first: int, end: int) -> Iterator[Picture]:
        """Decoded frames [first, end) in presentation order, as stored."""


def film_pictures(
    reader: PictureSource, film: Film, first: int, end: int, video: VideoStream, *, tonemap: bool = False
) -> Iterator[Picture]:
    """Film frames [first, end), upright and progressive, in `upright_layout(video)`.

    A film frame has the same samples however a range is split. Film frames that are made of the same decoded
    frames and follow one another are the same `Picture` object.

    Args:
        reader: gives the decoded frames; it is read forwards, each frame once.
        film: how film frames are made.
        first: number of the first film frame.
        end: number after the last film frame.
        video: the stream that `reader` decodes, for its rotation and colours.
        tonemap: turn PQ or HLG into BT.709 (see `tonemap.to_sdr`).

    Raises:
        ContractError: the range is not within the film.
        DamagedMediaError: a decoded frame does not decode (raised by the reader).
    """
    if not 0 <= first <= end <= film.count:
        raise ContractError(f"Film frames {first} to {end} were asked of a film of {film.count}.")
    stored: Picture | None = None
    shown: Picture | None = None
    for picture in _stored_pictures(reader, film, first, end):
        if shown is None or picture is not stored:
            stored = picture
            shown = upright(picture, video)
            shown = to_sdr(shown, video.colour) if tonemap else shown
        yield shown


def _stored_pictures(reader: PictureSource, film: Film, first: int, end: int) -> Iterator[Picture]:
    if first == end:
        return iter(())
    if film.kind in ("bob", "deinterlaced"):
        return _deinterlaced(reader, film, first, end)
    if not film.top:
        return reader.read(first, end)
    return _picked(reader, film, first, end)


def _deinterlaced(reader: PictureSource, film: Film, first: int, end: int) -> Iterator[Picture]:
    each = 2 if film.kind == "bob" else 1
    span_first, span_end = film.decoded_span(first, end)
    decoded = -(-film.count // each)
    read_first, read_end = max(0, span_first - CONTEXT), min(decoded, span_end + CONTEXT)
    pictures = bwdif(
        reader.read(read_first, read_end),
        top_field_first=film.top_field_first,
        mode="field" if film.kind == "bob" else "frame",
    )
    for number, picture in enumerate(pictures, each * read_first):
        if first <= number < end:
            yield picture


def _picked(reader: PictureSource, film: Film, first: int, end: int) -> Iterator[Picture]:
    """Film frames of listed decoded frames, which are kept no longer than they are needed."""
    bottoms = film.bottom or film.top
    last_use: dict[int, int] = {}
    for number in range(first, end):
        last_use[film.top[number]] = last_use[bottoms[number]] = number
    span_first, span_end = min(last_use), max(last_use) + 1
    kept: dict[int, Picture] = {}
    number, recipe, picture = first, None, None
    for decoded, frame in enumerate(reader.read(span_first, span_end), span_first):
        if decoded in last_use:
            kept[decoded] = frame
        while number < end and film.top[number] in kept and bottoms[number] in kept:
            combed = bool(film.combed) and film.combed[number]
            needed = (film.top[number], bottoms[number], combed)
            if picture is None or needed != recipe:
                recipe, picture = needed, weave(kept[needed[0]], kept[needed[1]])
                picture = fill_bottom_field(picture) if combed else picture
            yield picture
            number += 1
            kept = {index: one for index, one in kept.items() if last_use[index] >= number}
