"""What was done to a video and why, as sentences."""

from sakuga.enhance.plan import Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.info import MediaInfo
from sakuga.media.notes import Assembly
from sakuga.quality.words import plain, rate_text

BASELINE = "lanczos"
"""A plain resampler: at the source's own size it changes nothing."""

_INTERPOLATED = {
    "nearest": "each frame is the nearest film frame",
    "blend": "frames in between are blended",
    "flow": "frames in between are moved along the optical flow",
}


def reasons(
    info: MediaInfo,
    plan: Plan,
    spec: EnhanceSpec,
    assembly: Assembly,
    concealed: int,
    lost_frames: int,
    found: str,
    chosen: str,
    truncated: str | None,
) -> tuple[str, ...]:
    """Sentences in the order of the work: film, picture, colour, time, other streams, losses."""
    sentences = [
        *([found] if found else []),
        *([chosen] if chosen else []),
        *_picture(info, plan, spec),
        *_colour(info, plan, spec),
        _time(plan, spec),
        *_streams(info, assembly),
        *_losses(concealed, lost_frames, truncated),
    ]
    return tuple(plain(sentence) for sentence in sentences)


def _picture(info: MediaInfo, plan: Plan, spec: EnhanceSpec) -> list[str]:
    video, geometry = info.video, plan.geometry
    sentences = [_size(geometry.upright, geometry.output, spec.model)]
    if video.rotation or video.flipped:
        how = f"turned by {video.rotation} degrees" if video.rotation else "mirrored"
        sentences.append(f"The source's picture is to be shown {how}; the result stands upright by itself.")
    if video.sar != 1:
        sentences.append(
            f"The source's pixels are {video.sar.numerator}:{video.sar.denominator}; "
            "the result has square pixels and the same display aspect."
        )
    if video.alpha:
        sentences.append("The source's transparency is left out: the result's codecs hold none.")
    return sentences


def _size(source: tuple[int, int], result: tuple[int, int], model: str) -> str:
    (width, height), (out_width, out_height) = source, result
    if source != result:
        return f"Upscaled from {width}x{height} to {out_width}x{out_height} with {model}."
    if model == BASELINE:
        return f"Kept at {width}x{height}."
    return f"Cleaned at {width}x{height} with {model}."


def _colour(info: MediaInfo, plan: Plan, spec: EnhanceSpec) -> list[str]:
    colour = info.video.colour
    sentences = []
    if info.video.hdr and spec.tonemap:
        sentences.append(f"{info.video.hdr.upper()} was tone-mapped to SDR in BT.709, as asked.")
    elif not colour.tagged:
        sentences.append(f"The source does not say its colour matrix; {colour.matrix} was taken by its size.")
    if plan.layout != info.video.layout:
        sentences.append(
            f"Samples are stored as {plan.layout.pix_fmt} in place of {info.video.layout.pix_fmt}, "
            f"as {spec.codec} and the options ask."
        )
    elif plan.layout.depth == 10:
        sentences.append("10 bits were kept.")
    return sentences


def _time(plan: Plan, spec: EnhanceSpec) -> str:
    frames = len(plan.times)
    if spec.fps is not None:
        return (
            f"{plan.film.count} film frames became {frames} frames at {rate_text(plan.frame_rate)}: "
            f"{_INTERPOLATED[spec.interpolation]}."
        )
    if plan.frame_rate is None:
        return f"The {frames} frames keep the variable times of their source."
    return f"The {frames} frames keep their times at {rate_text(plan.frame_rate)}."


def _streams(info: MediaInfo, assembly: Assembly) -> list[str]:
    sentences = [
        f"Stream {note.index} ({note.kind}, {note.codec}) was converted: {note.why}."
        for note in assembly.converted
    ]
    sentences += [
        f"Stream {note.index} ({note.kind}, {note.codec}) was left out: {note.why}."
        for note in assembly.left_out
    ]
    if not info.audio:
        sentences.append("The source has no sound.")
    return [sentence.replace("..", ".") for sentence in sentences]


def _losses(concealed: int, lost_frames: int, truncated: str | None) -> list[str]:
    sentences = []
    if truncated:
        sentences.append(f"The source ends too early: {truncated}.")
    if lost_frames:
        frames = "1 frame" if lost_frames == 1 else f"{lost_frames} frames"
        count = f"In all {frames}" if truncated else frames
        sentences.append(f"{count} that the source announces could not be had from it.")
    if concealed:
        frames, show = ("1 frame", "shows") if concealed == 1 else (f"{concealed} frames", "show")
        sentences.append(f"{frames} did not decode and {show} the last good picture instead.")
    return sentences
