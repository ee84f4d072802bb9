"""Subtitles as text in time: read from files of SRT, WebVTT and ASS, and from streams of clips."""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error
from av.packet import Packet
from av.subtitles.codeccontext import SubtitleCodecContext

from sakuga.errors import LimitError, OptionError
from sakuga.media.info import Frozen, Rational
from sakuga.media.open import open_media
from sakuga.settings import Limits

MAX_BYTES = 20_000_000
"""Largest file of subtitles that is read; a feature film has some 100 kB."""

MAX_CAPTIONS = 100_000
MAX_TEXT = 1000
"""Characters of a caption that are read: a screen holds a few hundred."""

_OPEN_SECONDS = Fraction(5)
"""How long a caption is shown at most where its stream does not say when it ends."""

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_ASS_TIME = re.compile(r"^\s*(\d{1,4}):(\d{1,2}):(\d{1,2})(?:[.:](\d{1,3}))?\s*$")
_DRAWING = re.compile(r"\{[^}]*\\p[1-9][^}]*\}")
_EVENT_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
_TEXT_PLACE = 8
"""Commas before the text of an event as libavcodec gives it (ReadOrder, Layer, Style, Name, ...)."""


class Caption(Frozen):
    r"""Text that is shown from `start` until `end`, in seconds.

    `text` is that of an ASS event: `\N` begins a line, braces hold styles such as `{\i1}`.
    """

    start: Rational
    end: Rational
    text: str


def read_captions(path: Path) -> tuple[Caption, ...]:
    """Captions of a text file, by when they begin. What the file is, is told from its content.

    Raises:
        OptionError: the file is missing, not UTF-8 or UTF-16, or holds no captions.
        LimitError: it is larger than `MAX_BYTES`, or has more than `MAX_CAPTIONS`.
    """
    text = _text(path)
    lines = text.splitlines()
    if text.startswith("WEBVTT"):
        found = _cues(lines, "webvtt")
    elif any(line.strip().lower() in ("[script info]", "[events]") for line in lines):
        found = _events(lines)
    else:
        found = _cues(lines, "subrip")
    captions = _ordered(found, path)
    if not captions:
        raise OptionError(f"{path} holds no subtitles; give a file of SRT, WebVTT or ASS.")
    return captions


def stream_captions(path: Path, index: int, limits: Limits) -> tuple[Caption, ...]:
    """Captions of a stream of text subtitles, by when they begin, in seconds on the container's clock.

    Raises:
        UnreadableMediaError: the file cannot be read.
        LimitError: it has more than `MAX_CAPTIONS`.
    """
    found: list[tuple[Fraction, Fraction | None, str]] = []
    with open_media(path, limits) as container:
        stream = container.streams[index]
        context = stream.codec_context
        if not isinstance(context, SubtitleCodecContext):
            return ()
        try:
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    start = packet.pts * packet.time_base
                    length = (packet.duration or 0) * packet.time_base
                    end = start + length if length else None
                    found += [(start, end, text) for text in _decoded(context, packet)]
        except av.error.FFmpegError:
            # what a damaged clip still has is used
            pass
    return _ordered(_closed(found), path)


def _closed(found: list[tuple[Fraction, Fraction | None, str]]) -> Iterator[Caption]:
    """Captions with ends: where none is known, the next one's start."""
    later = [start for start, _, _ in found[1:]] + [None]
    for (start, end, text), following in zip(found, later, strict=True):
        last = start + _OPEN_SECONDS
        known = end or (min(following, last) if following is not None else last)
        yield Caption(start=start, end=known, text=text)


def _ordered(found: Iterator[Caption], path: Path) -> tuple[Caption, ...]:
    captions = []
    for caption in found:
        if caption.end > caption.start and caption.text.strip() and not _DRAWING.search(caption.text):
            captions.append(caption.model_copy(update={"text": caption.text[:MAX_TEXT]}))
        if len(captions) > MAX_CAPTIONS:
            raise LimitError(f"{path} has more than {MAX_CAPTIONS} captions; split it.")
    return tuple(sorted(captions, key=lambda caption: (caption.start, caption.end)))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise OptionError(f"The subtitles {path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise LimitError(f"The subtitles {path} are larger than {MAX_BYTES} bytes.")
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig").replace("\0", "")
    except UnicodeDecodeError as error:
        raise OptionError(f"The subtitles {path} are not in UTF-8; save them as UTF-8.") from error


def _cues(lines: list[str], codec: str) -> Iterator[Caption]:
    """Cues of SRT and WebVTT: a line of times, then text up to an empty line."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, SubtitleCodecContext)
    starts = [number for number, line in enumerate(lines) if _CUE.match(line)]
    for number, following in pairwise([*starts, len(lines)]):
        times = _CUE.match(lines[number])
        assert times is not None
        body: list[str] = []
        for line in lines[number + 1 : following]:
            if not line.strip():
                break
            body.append(line)
        start, end = _clock(*times.groups()[:4]), _clock(*times.groups()[4:])
        packet = Packet("\n".join(body).encode())
        for text in _decoded(context, packet) if body else ():
            yield Caption(start=start, end=end, text=text)


def _decoded(context: SubtitleCodecContext, packet: Packet) -> list[str]:  # type: ignore[type-arg]
    """The texts of a packet, as ASS has them; one that does not decode has none."""
    try:
        held = context.decode2(packet)
    except av.error.FFmpegError:
        return []
    texts = []
    for each in held or ():
        line = getattr(each, "ass", b"").decode("utf-8", "replace")
        texts.append(line.split(",", _TEXT_PLACE)[-1].rstrip("\r\n"))
    return texts


def _events(lines: list[str]) -> Iterator[Caption]:
    """Dialogue of an ASS or SSA script, with its inline styles but without the script's own."""
    fields, inside = list(_EVENT_FIELDS), False
    for line in lines:
        if line.startswith("["):
            inside = line.strip().lower() == "[events]"
        key, _, rest = line.partition(":")
        if not inside:
            continue
        if key.strip().lower() == "format":
            fields = [name.strip().lower() for name in rest.split(",")]
        elif key.strip().lower() == "dialogue":
            values = dict(zip(fields, rest.split(",", len(fields) - 1), strict=False))
            start, end = (_ASS_TIME.match(values.get(name, "")) for name in ("start", "end"))
            if start and end:
                yield Caption(
                    start=_clock(*start.groups()), end=_clock(*end.groups()), text=values.get("text", "")
                )


def _clock(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> Fraction:
    part = fraction or "0"
    whole = 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds)
    return whole + Fraction(int(part), 10 ** len(part))
