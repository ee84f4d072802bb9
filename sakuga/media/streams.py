"""What a container holds beside the video that is enhanced."""

from fractions import Fraction
from typing import Literal

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Disposition, Stream

from sakuga.media.info import AudioStream, Chapter, OtherStream, SubtitleStream
from sakuga.media.packets import PacketScan

BITMAP_SUBTITLES = ("hdmv_pgs_subtitle", "pgssub", "dvd_subtitle", "dvdsub", "dvb_subtitle", "dvbsub", "xsub")


def audio_of(stream: av.AudioStream, scan: PacketScan) -> AudioStream:
    """An audio stream, with its times from its packets."""
    seen, base = scan.streams[stream.index], stream.time_base or Fraction(1, 1000)
    context: av.AudioCodecContext | None = stream.codec_context
    start = seen.start
    if start is not None and stream.start_time is not None and stream.start_time > start:
        start = stream.start_time  # what comes before is the encoder's priming, which players skip
    return AudioStream(
        index=stream.index,
        codec=_codec(stream) or "unknown",
        sample_rate=context.sample_rate if context else 0,
        channels=context.channels if context else 0,
        layout=context.layout.name if context else "",
        start=None if start is None else start * base,
        duration=None if start is None or seen.end is None else max(0, seen.end - start) * base,
        bit_rate=(context.bit_rate if context else None) or None,
        language=stream.metadata.get("language"),
        title=stream.metadata.get("title"),
        default=bool(stream.disposition & Disposition.default),
    )


def _codec(stream: Stream) -> str | None:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else None


def subtitle_of(stream: Stream) -> SubtitleStream:
    """A subtitle stream, and whether it is text or pictures."""
    codec = _codec(stream) or "unknown"
    return SubtitleStream(
        index=stream.index,
        codec=codec,
        kind="bitmap" if codec in BITMAP_SUBTITLES else "text",
        language=stream.metadata.get("language"),
        title=stream.metadata.get("title"),
    )


def is_other(stream: Stream, enhanced: int) -> bool:
    """Whether a stream is neither enhanced nor audio nor subtitles."""
    return stream.index != enhanced and stream.type not in ("audio", "subtitle")


def other_of(stream: Stream) -> OtherStream:
    """A stream that is only kept or left out."""
    kind: Literal["video", "cover", "data", "attachment"] = "data"
    if stream.type == "video":
        kind = "cover" if stream.disposition & Disposition.attached_pic else "video"
    elif stream.type == "attachment":
        kind = "attachment"
    mime = stream.mimetype if isinstance(stream, AttachmentStream) else None
    return OtherStream(
        index=stream.index,
        kind=kind,
        codec=_codec(stream),
        name=stream.metadata.get("filename"),
        mime=mime or stream.metadata.get("mimetype"),
    )


def chapters_of(container: InputContainer) -> tuple[Chapter, ...]:
    """The chapters of a container, in its own order."""
    return tuple(
        Chapter(start=one["start"] * base, end=one["end"] * base, title=one["metadata"].get("title"))
        for one in container.chapters()
        if (base := one["time_base"]) is not None and one["end"] >= one["start"]
    )
