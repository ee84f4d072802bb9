"""Checks of the result as a file: frames, times, sound, streams and tags."""

from fractions import Fraction
from math import lcm

from sakuga.enhance.plan import Plan
from sakuga.media.containers import Container
from sakuga.media.info import AudioStream, Colour, MediaInfo, PixelLayout, SubtitleStream
from sakuga.media.languages import UNKNOWN, language_tag
from sakuga.media.notes import Assembly
from sakuga.media.packets import PacketIndex
from sakuga.quality.check import Check

ROUNDING = Fraction(1, 1000)
"""Containers such as Matroska hold times in milliseconds."""

PRIMING = 1152
"""Samples that an encoder puts before the first one heard (AAC 1024, MP3 1105): Matroska counts them as sound
and MP4 hides them, so that a track can begin by this much earlier or later on paper. It is also the longest
packet of either, by which the end of a converted track may be padded."""

TOLD_AS = {"mp2": "mp3"}
"""MP4 has one name for all layers of MPEG-1 audio, and readers tell it as the third."""


def check_frames(plan: Plan, packets: PacketIndex) -> tuple[Check, Check]:
    """The result has the planned frames at the planned times.

    Times may be off by a constant shift, which `check_sound` holds against the sound, and by the rounding to
    the container's tick.
    """
    planned, found = len(plan.times), len(packets)
    count = Check(name="Frames", value=str(found), bound=f"= {planned}", passed=found == planned, detail="")
    spread, worst = _time_spread(plan, packets)
    tick = packets.time_base
    times = Check(
        name="Frame times",
        value=f"{ms_text(spread)} off the plan",
        bound=f"<= {ms_text(tick)} (one tick)",
        passed=found == planned and found > 0 and spread <= tick,
        detail="" if spread <= tick else f"first at frame {worst}",
    )
    return count, times


def _time_spread(plan: Plan, packets: PacketIndex) -> tuple[Fraction, int]:
    """Spread of (result - plan) over all frames in seconds, and the first frame that leaves the tick."""
    tick, base = packets.time_base, plan.time_base
    unit = lcm(tick.denominator, base.denominator)
    per_tick, per_base = int(tick * unit), int(base * unit)
    shifts = [
        int(pts) * per_tick - time * per_base for pts, time in zip(packets.pts, plan.times, strict=False)
    ]
    if not shifts:
        return Fraction(0), 0
    off = (k for k, shift in enumerate(shifts) if abs(shift - shifts[0]) > per_tick)
    return Fraction(max(shifts) - min(shifts), unit), next(off, 0)


def check_sound(
    plan: Plan,
    info: MediaInfo,
    packets: PacketIndex,
    assembly: Assembly,
    result: MediaInfo,
    made: PacketIndex,
) -> tuple[Check, ...]:
    """Every track starts and ends as far from the video as it does in the source."""
    checks = []
    copied = {note.index for note in assembly.kept}
    for track, (source, got) in enumerate(zip(carried_audio(info, assembly), result.audio, strict=False), 1):
        if source.start is None or got.start is None:
            continue
        name = f" (audio {track})" if len(result.audio) > 1 else ""
        packet = Fraction(PRIMING, max(1, min(source.sample_rate, got.sample_rate)))
        slack = ROUNDING + made.time_base
        before = info.start + plan.time(0) - source.start
        after = int(made.pts[0]) * made.time_base - got.start if len(made) else Fraction(10**6)
        checks.append(_drift("Audio offset at the start" + name, after - before, slack + packet))
        if source.duration is None or got.duration is None:
            continue
        before = packets.end * packets.time_base - (source.start + source.duration)
        after = made.end * made.time_base - (got.start + got.duration)
        frame = max(_frame(plan), _source_frame(info), slack)
        padding = Fraction(0) if source.index in copied else packet
        checks.append(_drift("Audio drift at the end" + name, after - before, frame + padding))
    return tuple(checks)


def _drift(name: str, value: Fraction, bound: Fraction) -> Check:
    return Check(
        name=name, value=ms_text(value), bound=f"within {ms_text(bound)}", passed=abs(value) <= bound
    )


def _frame(plan: Plan) -> Fraction:
    if plan.frame_rate:
        return 1 / plan.frame_rate
    return (plan.end - plan.times[0]) * plan.time_base / len(plan.times)


def _source_frame(info: MediaInfo) -> Fraction:
    return 1 / info.video.frame_rate if info.video.frame_rate else Fraction(0)


def ms_text(seconds: Fraction) -> str:
    """`20.833 ms`, `0 ms`."""
    return f"{float(seconds) * 1000:.3f}".rstrip("0").rstrip(".") + " ms"


def carried_audio(info: MediaInfo, assembly: Assembly) -> list[AudioStream]:
    """The source's tracks that the assembly says are in the result, in their order."""
    carried = {note.index for note in (*assembly.kept, *assembly.converted)}
    return [stream for stream in info.audio if stream.index in carried]


def check_streams(
    info: MediaInfo, assembly: Assembly, result: MediaInfo, container: Container
) -> tuple[Check, ...]:
    """Sound, subtitles, chapters and attached files are as the assembly promised."""
    copied = {note.index for note in assembly.kept}
    carried = copied | {note.index for note in assembly.converted}
    audio = [
        _told(stream, stream.codec if stream.index in copied else "aac", container)
        for stream in carried_audio(info, assembly)
    ]
    got_audio = [_told(stream, stream.codec, container) for stream in result.audio]
    text = [f"{s.kind} {_language(s, container)}" for s in info.subtitles if s.index in carried]
    got_text = [f"{s.kind} {_language(s, container)}" for s in result.subtitles]
    files = sum(s.kind == "attachment" and s.index in carried for s in info.others)
    got_files = sum(s.kind == "attachment" for s in result.others)
    return (
        _same("Audio tracks", audio, got_audio),
        _same("Subtitles", text, got_text),
        _chapters(info, result),
        Check(name="Attached files", value=str(got_files), bound=f"= {files}", passed=got_files == files),
    )


def _told(stream: AudioStream, codec: str, container: Container) -> str:
    return f"{TOLD_AS.get(codec, codec)} {stream.channels}ch {_language(stream, container)}"


def _language(stream: AudioStream | SubtitleStream, container: Container) -> str:
    return language_tag(stream.language, container) or UNKNOWN


def _same(name: str, promised: list[str], found: list[str]) -> Check:
    return Check(
        name=name,
        value=", ".join(found) or "none",
        bound=", ".join(promised) or "none",
        passed=promised == found,
    )


def _chapters(info: MediaInfo, result: MediaInfo) -> Check:
    want = [chapter.start - info.start for chapter in info.chapters]
    got = [chapter.start - result.start for chapter in result.chapters]
    # both clocks begin at the earliest stream, which priming samples can move
    slack = 2 * ROUNDING + max((Fraction(PRIMING, s.sample_rate) for s in info.audio), default=Fraction(0))
    off = max((abs(a - b) for a, b in zip(want, got, strict=False)), default=Fraction(0))
    return Check(
        name="Chapters",
        value=f"{len(got)}" + (f", {ms_text(off)} off" if got else ""),
        bound=f"= {len(want)}" + (f", within {ms_text(slack)}" if want else ""),
        passed=len(want) == len(got) and off <= slack,
    )


def check_format(
    size: tuple[int, int], layout: PixelLayout, colour: Colour, result: MediaInfo
) -> tuple[Check, ...]:
    """The picture is as large, square, upright, deep and tagged as planned.

    Args:
        size: planned width and height.
        layout: planned layout of the samples.
        colour: colour that the result's samples have.
        result: the probed result.
    """
    video, (width, height) = result.video, size
    tags = _tags(video.colour)
    return (
        Check(
            name="Picture size",
            value=f"{video.width}x{video.height}",
            bound=f"= {width}x{height}",
            passed=(video.width, video.height) == (width, height),
        ),
        Check(
            name="Square pixels",
            value=f"{video.sar.numerator}:{video.sar.denominator}",
            bound="= 1:1",
            passed=video.sar == 1,
        ),
        Check(
            name="Upright and progressive",
            value=f"{video.rotation} degrees{', mirrored' if video.flipped else ''}, {video.field_order}",
            bound="0 degrees, progressive",
            passed=not video.rotation and not video.flipped and video.field_order not in ("tff", "bff"),
        ),
        Check(
            name="Pixel format",
            value=video.layout.pix_fmt,
            bound=f"= {layout.pix_fmt}",
            passed=video.layout == layout,
        ),
        Check(
            name="Colour tags",
            value=tags if video.colour.tagged else f"untagged, read as {tags}",
            bound=f"= {_tags(colour)}",
            passed=video.colour.tagged and tags == _tags(colour),
        ),
    )


def _tags(colour: Colour) -> str:
    scale = "full" if colour.full_range else "limited"
    return f"{colour.matrix}/{colour.primaries}/{colour.transfer} {scale}"
