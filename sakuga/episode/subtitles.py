"""Subtitles of the scenes as tracks of the episode, one for each language."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream as OutputSubtitles
from av.subtitles.subtitle import SubtitleSet

from sakuga.episode.captions import Caption, read_captions, stream_captions
from sakuga.episode.spec import Scene
from sakuga.episode.timeline import Timeline
from sakuga.errors import ContractError
from sakuga.media.containers import Container
from sakuga.media.encode import beside, writing
from sakuga.media.info import Frozen, MediaInfo
from sakuga.media.languages import UNKNOWN
from sakuga.media.timing import ticks
from sakuga.settings import Limits

__all__ = [
    "Caption",
    "SubtitleTrack",
    "clip_subtitles",
    "merge_subtitles",
    "write_subtitles",
]

TICK = Fraction(1, 1000)
"""Subtitles are timed in milliseconds, as SRT and Matroska have them."""

MAX_AT_ONCE = 8
"""Captions that are shown together; mov_text holds no more than 64 KiB of them (3GPP TS 26.245, 5.17)."""

_HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_CODES = """
    ar-ara cs-cze da-dan de-ger el-gre en-eng es-spa fi-fin fr-fre he-heb hi-hin hu-hun id-ind it-ita
    ja-jpn ko-kor nl-dut no-nor pl-pol pt-por ro-rum ru-rus sv-swe th-tha tr-tur uk-ukr vi-vie zh-chi
    ces-cze deu-ger ell-gre fra-fre nld-dut ron-rum zho-chi
"""
"""Codes of two letters, and the other ones of three, as one of three (ISO 639-2)."""

_OTHER_CODE = dict(pair.split("-") for pair in _CODES.split())


class SubtitleTrack(Frozen):
    """Captions in one language (three letters of ISO 639-2, or none that is known), by when they begin."""

    captions: tuple[Caption, ...]
    language: str | None = None
    title: str | None = None


def clip_subtitles(
    path: Path, info: MediaInfo, subtitles: Path | None, limits: Limits
) -> tuple[SubtitleTrack, ...]:
    """What a clip has to read: of its file of subtitles, else of its own streams of text.

    Of several streams in a language the one with most captions counts: others tell signs or songs alone.
    Subtitles that are pictures are left out.

    Args:
        path: the clip.
        info: what it holds.
        subtitles: a file of SRT, WebVTT or ASS in the clip's time; `name.en.srt` says its language.
        limits: of the clip.

    Returns:
        Tracks with times in seconds after the clip's first picture.

    Raises:
        OptionError: the file of subtitles is missing, not UTF-8, or holds none.
        LimitError: it is too long.
    """
    if subtitles is not None:
        lead = info.video.start - info.start
        track = SubtitleTrack(captions=read_captions(subtitles), language=_named_language(subtitles))
        return (_shifted(track, lead),)
    tracks: dict[str | None, SubtitleTrack] = {}
    for stream in info.subtitles:
        language = _language(stream.language)
        if stream.kind != "text":
            continue
        captions = stream_captions(path, stream.index, limits)
        if captions and (language not in tracks or len(captions) > len(tracks[language].captions)):
            track = SubtitleTrack(captions=captions, language=language, title=stream.title)
            tracks[language] = _shifted(track, info.video.start)
    return tuple(tracks.values())


def _shifted(track: SubtitleTrack, origin: Fraction) -> SubtitleTrack:
    moved = tuple(
        Caption(start=each.start - origin, end=each.end - origin, text=each.text) for each in track.captions
    )
    return track.model_copy(update={"captions": moved})


def _language(tag: str | None) -> str | None:
    code = (tag or "").lower().replace("_", "-").partition("-")[0]
    return None if not code or code == UNKNOWN else _OTHER_CODE.get(code, code)


def _named_language(path: Path) -> str | None:
    """`en` of `name.en.srt`, where it is a language."""
    middle = path.with_suffix("").suffix[1:].lower()
    known = middle in _OTHER_CODE or middle in _OTHER_CODE.values()
    return _language(middle) if known else None


def merge_subtitles(
    tracks: Sequence[Sequence[SubtitleTrack]], scenes: Sequence[Scene], timeline: Timeline
) -> tuple[SubtitleTrack, ...]:
    """Tracks of all scenes on the episode's clock, as one for each language.

    A caption of a clip is moved to its scene's place, follows its speed, and is cut at its edges; what
    is shown for less than a frame goes. Where captions overlap they are shown together, so that no two
    captions of the result do.

    Args:
        tracks: of each scene's clip, in its time; see `clip_subtitles`.
        scenes: in order.
        timeline: where they are.
    """
    gathered: dict[str | None, list[Caption]] = {}
    titles: dict[str | None, str | None] = {}
    for index, (held, scene) in enumerate(zip(tracks, scenes, strict=True)):
        for track in held:
            titles[track.language] = titles.get(track.language) or track.title
            captions = gathered.setdefault(track.language, [])
            captions += _placed(track.captions, scene, timeline, index)
    return tuple(
        SubtitleTrack(captions=flatten(captions), language=language, title=titles[language])
        for language, captions in gathered.items()
        if captions
    )


def _placed(captions: Sequence[Caption], scene: Scene, timeline: Timeline, index: int) -> list[Caption]:
    placed = timeline.scenes[index]
    first, last = timeline.time(placed.first), timeline.time(placed.first + placed.frames)
    kept = []
    for caption in captions:
        start, end = (
            min(max(first + (time - scene.start) / scene.speed, first), last)
            for time in (caption.start, caption.end)
        )
        if end - start >= 1 / timeline.rate:
            kept.append(Caption(start=start, end=end, text=caption.text))
    return kept


def flatten(captions: Sequence[Caption]) -> tuple[Caption, ...]:
    """The same text at every time, without two captions at one time; the earlier one is above.

    Of more than `MAX_AT_ONCE` the later ones are left out.
    """
    edges = sorted({time for caption in captions for time in (caption.start, caption.end)})
    waiting = sorted(captions, key=lambda caption: (caption.start, caption.end), reverse=True)
    shown: list[Caption] = []
    flat: list[Caption] = []
    for begin, end in pairwise(edges):
        shown = [caption for caption in shown if caption.end > begin]
        while waiting and waiting[-1].start <= begin:
            new = waiting.pop()
            if len(shown) < MAX_AT_ONCE:
                shown.append(new)
        text = "\\N".join(dict.fromkeys(caption.text for caption in shown))
        if not text:
            continue
        if flat and flat[-1].end == begin and flat[-1].text == text:
            flat[-1] = flat[-1].model_copy(update={"end": end})
        else:
            flat.append(Caption(start=begin, end=end, text=text))
    return tuple(flat)


def timed(track: SubtitleTrack) -> list[tuple[int, int, str]]:
    """Start, end and text of the captions as they are written, in ticks of `TICK`."""
    rounded = [(ticks(each.start, TICK), ticks(each.end, TICK), each.text) for each in track.captions]
    return [(start, end, text) for start, end, text in rounded if end > start]


def write_subtitles(track: SubtitleTrack, container: Container, output: Path) -> Path:
    """A file with a track in the codec that a container holds: SRT in MKV, else mov_text.

    Args:
        track: captions that do not overlap.
        container: of the episode.
        output: final name; MKV or MP4, as the episode.

    Raises:
        EncodeError: the encoder refused it.
        DiskFullError: no room is left.
    """
    part = beside(output)
    codec, name = ("subrip", "matroska") if container == "mkv" else ("mov_text", "mp4")
    try:
        with (
            writing("the subtitles", output.parent),
            av.open(str(part.absolute()), "w", format=name) as file,
        ):
            stream = file.add_stream(codec)
            context = stream.codec_context
            if not isinstance(stream, OutputSubtitles) or not isinstance(context, SubtitleCodecContext):
                raise ContractError(f"{codec} is no codec of subtitles here.")
            context.subtitle_header = _HEADER
            context.time_base = stream.time_base = TICK
            for number, (start, end, text) in enumerate(timed(track)):
                event = f"{number},0,Default,,0,0,0,,{text}".encode()
                packet = context.encode_subtitle(SubtitleSet.create(event, 0, end - start, start))
                packet.stream, packet.time_base = stream, TICK
                packet.pts = packet.dts = start
                packet.duration = end - start
                file.mux_one(packet)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return output
