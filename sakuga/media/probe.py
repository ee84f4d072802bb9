"""What a source holds, exactly, and which frames it will show."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sakuga.errors import DamagedMediaError, LimitError, TruncatedMediaError, UnreadableMediaError
from sakuga.media.colour import HDR, colour_of, has_alpha, is_rgb, working_layout
from sakuga.media.cutoff import Cutoff, find_cutoff, find_hole
from sakuga.media.decode import decoded_frames, frame_time, good_labels, prepare_decoder
from sakuga.media.info import FieldOrder, MediaInfo, VideoStream
from sakuga.media.open import open_media
from sakuga.media.packets import PacketIndex, PacketScan, scan_packets
from sakuga.media.rates import constant_rate, mean_rate
from sakuga.media.rotation import orientation
from sakuga.media.streams import audio_of, chapters_of, is_other, other_of, subtitle_of
from sakuga.settings import Limits

HEAD_FRAMES = 8
"""Frames that are decoded to see that the packets tell the truth."""
MPEG1_SITING = ("mpeg1video", "mjpeg", "h261", "h263", "flv")
FIELD_ORDERS: dict[int, FieldOrder] = {1: "progressive", 2: "tff", 3: "bff", 4: "bff", 5: "tff"}


@dataclass(frozen=True)
class Probed:
    """A source: what it holds, its frames, and with `salvage` what is wrong with it.

    `truncated` is a sentence without its full stop where the file ends early or has a hole, else None;
    `lost_frames` counts frames that the packets announce but that do not decode, and about how many are
    missing at the end or in the hole.
    """

    info: MediaInfo
    packets: PacketIndex
    truncated: str | None = None
    lost_frames: int = 0


def probe(path: Path, limits: Limits, *, salvage: bool = False) -> Probed:
    """Find out what a source holds from its packets; only its first frames are decoded.

    Args:
        path: the source.
        limits: what it may be at most.
        salvage: take a file that ends early or is damaged; the whole video is decoded once to see which
            frames are good, and only those are in the index.

    Raises:
        UnreadableMediaError: not a video, no video stream, or no decoder for it.
        UnsafeMediaError: it names other files.
        LimitError: larger, longer or stranger than the limits.
        TruncatedMediaError: it ends before its header says it does, without `salvage`.
        DamagedMediaError: none of its first frames decodes, or its structure has a hole, without `salvage`;
            or no frame at all decodes.
    """
    path = path.expanduser().absolute()
    with open_media(path, limits) as container:
        stream = _choose_video(container, path)
        _check_header(container, stream, path, limits)
        head = _head(path, stream.index, limits)
        scan = scan_packets(container, stream.index, max_frames=limits.max_frames)
        scan, lost = _shown_frames(scan, head, path, stream, limits, salvage=salvage)
        if not len(scan.pts):
            raise DamagedMediaError(f"No frame of {path} can be decoded; it has to be copied again.")
        flaw = find_cutoff(container, stream, scan, path, lost) or find_hole(scan, path, lost)
        if flaw and not salvage:
            kind = TruncatedMediaError if isinstance(flaw, Cutoff) else DamagedMediaError
            raise kind(
                f"{path} is {flaw.place}; get a complete copy, or use --salvage to enhance what is there."
            )
        info, packets = _describe(container, stream, scan, head[0] if head else None, path)
    _check_found(info, path, limits)
    if flaw is None:
        return Probed(info, packets, None, lost)
    return Probed(info, packets, flaw.loss, lost + flaw.frames)


def _choose_video(container: InputContainer, path: Path) -> av.VideoStream:
    """The default video stream, else the largest; covers and stills do not count."""
    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.still_image)
    ]
    if not videos:
        raise UnreadableMediaError(f"{path} has no video stream; give a file with a picture that moves.")
    usable = [stream for stream in videos if stream.codec_context is not None]
    if not usable:
        raise UnreadableMediaError(f"No decoder here knows the video in {path}; convert it first.")

    def rank(stream: av.VideoStream) -> tuple[bool, int, int]:
        default = bool(stream.disposition & Disposition.default)
        return default, stream.width * stream.height, -stream.index

    return max(usable, key=rank)


def _check_header(container: InputContainer, stream: av.VideoStream, path: Path, limits: Limits) -> None:
    if stream.width * stream.height > limits.max_pixels:
        raise LimitError(
            f"{path} has frames of {stream.width}x{stream.height}, more than the limit of "
            f"{limits.max_pixels} pixels (SAKUGA_LIMITS__MAX_PIXELS)."
        )
    if stream.width <= 0 or stream.height <= 0 or stream.format is None:
        raise UnreadableMediaError(
            f"The video in {path} cannot be decoded, or its frames are larger than the limit of "
            f"{limits.max_pixels} pixels (SAKUGA_LIMITS__MAX_PIXELS)."
        )
    if container.duration is not None:
        _check_duration(Fraction(container.duration, av.time_base), path, limits)
    if stream.frames > limits.max_frames:
        raise LimitError(
            f"{path} has {stream.frames} frames, more than the limit of {limits.max_frames} "
            "(SAKUGA_LIMITS__MAX_FRAMES)."
        )


def _check_duration(duration: Fraction, path: Path, limits: Limits) -> None:
    if duration > Fraction(limits.max_duration):
        raise LimitError(
            f"{path} lasts {float(duration):.0f} s, longer than the limit of {limits.max_duration:.0f} s "
            "(SAKUGA_LIMITS__MAX_DURATION)."
        )


def _check_found(info: MediaInfo, path: Path, limits: Limits) -> None:
    _check_duration(info.duration, path, limits)
    if info.video.frame_rate > Fraction(limits.max_frame_rate):
        raise LimitError(
            f"{path} has {float(info.video.frame_rate):.0f} frames per second, more than the limit of "
            f"{limits.max_frame_rate:g} (SAKUGA_LIMITS__MAX_FRAME_RATE)."
        )


def _head(path: Path, index: int, limits: Limits) -> list[VideoFrame]:
    """The first frames that decode."""
    with open_media(path, limits) as container:
        prepare_decoder(container, index, limits, threads=1)
        frames = []
        for frame in decoded_frames(container, index):
            frames.append(frame)
            if len(frames) == HEAD_FRAMES:
                break
        return frames


def _shown_frames(
    scan: PacketScan,
    head: list[VideoFrame],
    path: Path,
    stream: av.VideoStream,
    limits: Limits,
    *,
    salvage: bool,
) -> tuple[PacketScan, int]:
    """The frames that will come out of the decoder, and how many of the announced ones are lost."""
    if not head and not salvage:
        if not len(scan.pts):
            raise UnreadableMediaError(f"The video stream of {path} has no frames; give another file.")
        raise DamagedMediaError(
            f"The first frames of {path} do not decode; use --salvage to enhance what does."
        )
    times = [frame_time(frame) for frame in head]
    # Frames before the first keyframe, in time, may lean on frames that the file does not have.
    kept = (scan.pts >= scan.lead) | np.isin(scan.pts, [time for time in times if time is not None])
    if len(times) < HEAD_FRAMES or (times[-1] is not None and times[-1] >= scan.lead):
        scan = replace(scan, pts=scan.pts[kept], keyframe=scan.keyframe[kept], sizes=scan.sizes[kept])
    elif not kept.all():
        scan.exact = False
    whole = not any(frame.is_corrupt for frame in head)
    told = times == scan.pts[: len(times)].tolist()
    if scan.exact and (told or not whole) and not salvage:
        return scan, 0
    with open_media(path, limits) as container:
        prepare_decoder(container, stream.index, limits)
        good = good_labels(container, stream.index, ordered=scan.exact and told)
    lost = int(np.setdiff1d(scan.pts, good).size) if scan.exact and told else 0
    return _relabelled(scan, good), lost


def _relabelled(scan: PacketScan, labels: NDArray[np.int64]) -> PacketScan:
    """The scan with the frames that a whole decoding gave, in that order.

    Where the decoder's times are out of order they are only names, and the times are the same ones in order.
    """
    if not len(labels) or not len(scan.pts):
        return replace(scan, pts=labels, keyframe=np.zeros(len(labels), np.bool_), sizes=labels)
    place = np.minimum(np.searchsorted(scan.pts, labels), len(scan.pts) - 1)
    known = scan.pts[place] == labels
    pts = np.sort(labels)
    return replace(
        scan,
        pts=pts,
        keyframe=scan.keyframe[place] & known,
        sizes=np.where(known, scan.sizes[place], 0),
        labels=None if np.array_equal(pts, labels) else labels,
    )


def _describe(
    container: InputContainer, stream: av.VideoStream, scan: PacketScan, frame: VideoFrame | None, path: Path
) -> tuple[MediaInfo, PacketIndex]:
    base = stream.time_base
    assert base is not None
    video, end = _video(stream, scan, frame, base)
    packets = PacketIndex(base, scan.pts, scan.keyframe, end, scan.labels, scan.sizes)
    audio = tuple(audio_of(one, scan) for one in container.streams.audio)
    starts = [video.start, *(one.start for one in audio if one.start is not None)]
    ends = [video.start + video.duration]
    ends += [one.start + one.duration for one in audio if one.start is not None and one.duration is not None]
    start = min(starts)
    info = MediaInfo(
        container=container.format.name,
        size=path.stat().st_size,
        start=start,
        duration=max(ends) - start,
        video=video,
        audio=audio,
        subtitles=tuple(subtitle_of(one) for one in container.streams.subtitles),
        others=tuple(other_of(one) for one in container.streams if is_other(one, stream.index)),
        chapters=chapters_of(container),
        metadata=dict(container.metadata),
    )
    return info, packets


def _video(
    stream: av.VideoStream, scan: PacketScan, frame: VideoFrame | None, base: Fraction
) -> tuple[VideoStream, int]:
    """The video stream, and when its last frame stops being shown, in ticks."""
    context = stream.codec_context
    pixels = frame.format if frame is not None else stream.format
    width, height = (frame.width, frame.height) if frame is not None else (stream.width, stream.height)
    rate, constant, end = _timing(stream, scan, base)
    rgb = is_rgb(pixels)
    colour = colour_of(
        _tags(stream, frame),
        (width, height),
        rgb=rgb,
        full=pixels.name.startswith("yuvj"),
        mpeg1=context.codec.canonical_name in MPEG1_SITING,
    )
    rotation, flipped = orientation(frame)
    start = int(scan.pts[0]) * base
    video = VideoStream(
        index=stream.index,
        codec=context.codec.canonical_name,
        width=width,
        height=height,
        pix_fmt=pixels.name,
        layout=working_layout(pixels),
        rgb=rgb,
        alpha=has_alpha(pixels),
        time_base=base,
        start=start,
        duration=end * base - start,
        frame_rate=rate,
        constant_rate=constant,
        frames=len(scan.pts),
        sar=_aspect(stream),
        rotation=rotation,
        flipped=flipped,
        field_order=_field_order(stream, frame),
        colour=colour,
        hdr=HDR.get(colour.transfer),
        language=stream.metadata.get("language"),
        title=stream.metadata.get("title"),
    )
    return video, end


def _timing(stream: av.VideoStream, scan: PacketScan, base: Fraction) -> tuple[Fraction, bool, int]:
    """Frame rate, whether it is constant, and the end of the last frame in ticks."""
    pts, last = scan.pts, scan.last
    announced = (stream.base_rate, stream.average_rate, stream.guessed_rate, stream.codec_context.framerate)
    usable = [rate for rate in announced if rate]
    if len(pts) == 1:
        rate = usable[0] if usable else 1 / (last * base) if last else Fraction(25)
        return rate, True, int(pts[0]) + (last or max(1, round(1 / (rate * base))))
    exact = constant_rate(pts, base, usable)
    rate = exact or mean_rate(pts, base)
    step = 1 / (rate * base)
    if exact is None:
        return rate, False, int(pts[-1]) + (last or max(1, round(step)))
    # The end of a constant stream is on the grid too, unless the last frame is held on purpose.
    held = last > 2 * step
    return rate, True, int(pts[-1]) + last if held else math.floor(pts[0] + len(pts) * step + Fraction(1, 2))


def _tags(stream: av.VideoStream, frame: VideoFrame | None) -> tuple[int, int, int, int]:
    """Matrix, primaries, transfer and range: the container's, and the decoder's where it has none."""
    context = stream.codec_context
    said = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    if frame is None:
        return said
    seen = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)
    missing = ((2,), (0, 2), (0, 2), (0,))
    pairs = [b if a in none else a for a, b, none in zip(said, seen, missing, strict=True)]
    return pairs[0], pairs[1], pairs[2], pairs[3]


def _aspect(stream: av.VideoStream) -> Fraction:
    aspect = stream.sample_aspect_ratio
    return aspect if aspect is not None and aspect > 0 else Fraction(1)


def _field_order(stream: av.VideoStream, frame: VideoFrame | None) -> FieldOrder:
    order = FIELD_ORDERS.get(stream.codec_context.field_order, "unknown")
    if frame is not None and order in ("unknown", "progressive"):
        if frame.interlaced_frame:
            return "unknown" if order == "progressive" else order
        return "progressive"
    return order
