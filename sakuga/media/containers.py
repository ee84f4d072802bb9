"""What MP4, MKV and MOV can hold besides the video."""

from typing import Literal

Container = Literal["mp4", "mkv", "mov"]
Fit = Literal["copied", "converted", "left_out"]

_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "flac", "opus", "dts"})
_MOV_AUDIO = frozenset(
    {"aac", "mp3", "ac3", "eac3", "alac"}
    | {f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be")}
)
_MKV_AUDIO = frozenset(
    {"aac", "mp3", "mp2", "ac3", "eac3", "alac", "flac", "opus", "vorbis", "dts", "truehd", "mlp", "tta"}
    | {"wavpack", "pcm_u8", "pcm_f32le", "pcm_f64le"}
    | {f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be")}
)
_AUDIO: dict[Container, frozenset[str]] = {"mp4": _MP4_AUDIO, "mov": _MOV_AUDIO, "mkv": _MKV_AUDIO}

_MKV_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle"})
_TEXT_SUBTITLES = frozenset(
    {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "microdvd", "sami", "realtext", "subviewer"}
)


def audio_fit(codec: str, container: Container) -> Fit:
    """Whether audio of this codec (ffmpeg's name) is copied or must become AAC."""
    return "copied" if codec in _AUDIO[container] else "converted"


def subtitle_fit(codec: str, container: Container) -> tuple[Fit, str]:
    """What becomes of subtitles of this codec, and the codec they end up in."""
    if container == "mkv":
        if codec in _MKV_SUBTITLES:
            return "copied", codec
        return ("converted", "srt") if codec in _TEXT_SUBTITLES else ("left_out", codec)
    if codec == "mov_text":
        return "copied", codec
    return ("converted", "mov_text") if codec in _TEXT_SUBTITLES else ("left_out", codec)


def holds_attachments(container: Container) -> bool:
    """Whether files such as fonts can be attached."""
    return container == "mkv"


def aac_bit_rate(channels: int, source_bit_rate: int | None) -> int:
    """Bits per second of converted audio: the source's rate, held between 64 and 160 kbit/s a channel.

    AAC at 64 kbit/s a channel is where listening tests find it transparent for most material; a pair never
    gets less than 128 kbit/s. Where the source does not say its rate, the upper bound is used.
    """
    low, high = max(128_000, 64_000 * channels), 160_000 * channels
    return min(max(source_bit_rate or high, low), max(low, high))


def format_options(container: Container) -> tuple[str, dict[str, str]]:
    """The muxer's name and its options."""
    if container == "mkv":
        # Without checksums the frame duration can be put into the header afterwards.
        return "matroska", {"write_crc32": "0"}
    return container, {"movflags": "+faststart"}
