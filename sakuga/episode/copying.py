"""Scenes that are already in the episode's form: their packets are copied, not coded again."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet

from sakuga.episode.conform import Conform
from sakuga.episode.footage import Footage, pictures, source_frames
from sakuga.episode.form import Form, clip_colour, segment_writer
from sakuga.episode.timeline import Span
from sakuga.errors import CancelledError
from sakuga.media.assemble import write_proved
from sakuga.media.avc import IDR, PICTURE, SEQUENCE, nal_type, nal_units, parameter_sets
from sakuga.media.chunks import OWN_LIMITS, VideoTrack, schedule
from sakuga.media.colour import MATRICES, PRIMARIES, TRANSFERS, code_of
from sakuga.media.encode import beside, verify_chunk, writing
from sakuga.media.info import Colour, Frozen
from sakuga.media.open import open_media
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import Probed, probe
from sakuga.media.remux import About, Remux
from sakuga.media.timing import progressive_track
from sakuga.settings import Settings

Cancelled = Callable[[], bool] | None

MIN_COPIED = 8
"""Frames: fewer are not worth a keyframe and another set of parameters."""

_POLL_PACKETS = 64


class Copied(Frozen):
    """A span of so many frames, of which `copied` were not coded again; `bytes` is its file's size."""

    frames: int
    copied: int
    bytes: int


@dataclass(frozen=True)
class _Group:
    """Packets [begin, stop) of a stream, which hold just the frames [first, last) and lean on no others.

    Frames are shown up to `delay` frames later than their place in decoding order.
    """

    begin: int
    stop: int
    first: int
    last: int
    delay: int


def copy_span(
    footage: Footage,
    span: Span,
    form: Form,
    output: Path,
    settings: Settings,
    cancelled: Cancelled = None,
) -> Copied | None:
    """Make frames of a scene by copying from a keyframe as far as it goes; the others alone are coded.

    The file may hold more than one set of parameters, each in front of its pictures: it is joined with others
    of the same form as a `mixed` track.

    Args:
        footage: the scene's clip.
        span: which of the scene's frames.
        form: of the episode.
        output: final name; nothing is under it unless the span was made.
        settings: limits.
        cancelled: asked often; True stops.

    Returns:
        What was made; None where the clip is not in the form, or no group can be copied.

    Raises:
        ContractError: what was made is not the span.
        DamagedMediaError: frames of the clip do not decode.
        EncodeError: the encoder or the muxer failed.
        DiskFullError: no room is left.
        CancelledError: `cancelled` returned True.
    """
    if not conforms(footage, form):
        return None
    probed = probe(footage.path, settings.limits)
    shown = source_frames(
        progressive_track(probed.info.video, probed.packets), footage.scene, form.rate, span.first, span.last
    )
    run = _longest_run(_groups(footage.path, probed, settings, cancelled), shown)
    if run is None:
        return None
    begin = span.first + run.first - shown[0]
    end = begin + run.last - run.first
    with ExitStack() as stack:
        parts: list[tuple[Path, int]] = []
        for first, last in ((span.first, begin), (begin, end), (end, span.last)):
            if first == last:
                continue
            path = beside(output)
            stack.callback(path.unlink, missing_ok=True)
            if first != begin:
                _code(footage, form, first, last, path, settings, cancelled)
            elif not _copy(footage.path, probed, run, path, form, settings, cancelled):
                return None
            parts.append((path, last - first))
        _join(parts, form, output, settings, cancelled)
    return Copied(frames=span.last - span.first, copied=end - begin, bytes=output.stat().st_size)


def conforms(footage: Footage, form: Form) -> bool:
    """Whether a clip's stream can be a part of the episode as it is: H.264 in the form, at its own speed."""
    video = footage.info.video
    return (
        not footage.placeholder
        and video.codec == form.settings.codec == "h264"
        and footage.scene.speed == 1
        and video.constant_rate
        and video.frame_rate == form.rate
        and video.sar == 1
        and (video.rotation, video.flipped) == (0, False)
        and video.field_order == "progressive"
        and video.pix_fmt.replace("yuvj", "yuv") == form.layout.pix_fmt
        and video.hdr is None
        and clip_colour(video) == form.colour
        and Conform(video, footage.scene.fit, form).untouched
    )


def _groups(
    path: Path, probed: Probed, settings: Settings, cancelled: Cancelled
) -> list[tuple[int, list[int | None]]]:
    """Groups of packets that begin with an IDR picture: the place of the first, and the frame of each.

    Where the stream's parameter sets change on the way there are none: what a group is decoded with would
    depend on what is before it.
    """
    index: PacketIndex = probed.packets
    numbers = {int(time): number for number, time in enumerate(index.pts)}
    found: list[tuple[int, list[int | None]]] = []
    with open_media(path, settings.limits) as container:
        stream = container.streams[probed.info.video.index]
        sets = set(parameter_sets(stream.codec_context.extradata or b""))
        if not sets or index.labels is not None:
            return []
        for place, packet in enumerate(_packets(container, stream.index, cancelled)):
            units = list(nal_units(memoryview(packet)))
            if any(nal_type(unit) in (SEQUENCE, PICTURE) and unit not in sets for unit in units):
                return []
            if any(nal_type(unit) == IDR for unit in units):
                found.append((place, []))
            shown = packet.pts is not None and not packet.is_discard
            if found:
                found[-1][1].append(numbers.get(packet.pts) if shown and packet.pts is not None else None)
    return found


def _packets(
    container: InputContainer, index: int, cancelled: Cancelled
) -> "Iterator[Packet[av.VideoStream]]":
    stream = container.streams[index]
    assert isinstance(stream, av.VideoStream)
    for count, packet in enumerate(container.demux(stream)):
        if cancelled and count % _POLL_PACKETS == 0 and cancelled():
            raise CancelledError("Stopped as asked.")
        if packet.size:
            yield packet


def _whole_part(begin: int, held: list[int | None], limit: int) -> _Group | None:
    """The most packets from a group's first on that are all frames from its first to one before `limit`."""
    first, part = held[0], None
    seen: set[int] = set()
    delay = high = 0
    for place, number in enumerate(held):
        if first is None or number is None or not first <= number < limit or number in seen:
            break
        seen.add(number)
        delay = max(delay, place - (number - first))
        high = max(high, number)
        if high - first == place:
            part = _Group(begin, begin + place + 1, first, first + place + 1, delay)
    return part


def _longest_run(groups: list[tuple[int, list[int | None]]], shown: tuple[int, ...]) -> _Group | None:
    """The most frames of groups after one another that a span shows one by one."""
    first = shown[0]
    steady = next((k for k, number in enumerate(shown) if number != first + k), len(shown))
    runs: list[_Group] = []
    for begin, held in groups:
        part = _whole_part(begin, held, first + steady)
        if part is None or part.first < first:
            continue
        before = runs[-1] if runs else None
        if before and (before.stop, before.last) == (part.begin, part.first):
            delay = max(before.delay, part.delay)
            runs[-1] = _Group(before.begin, part.stop, before.first, part.last, delay)
        else:
            runs.append(part)
    longest = max(runs, key=lambda run: run.last - run.first, default=None)
    return longest if longest and longest.last - longest.first >= MIN_COPIED else None


def _code(
    footage: Footage,
    form: Form,
    first: int,
    last: int,
    output: Path,
    settings: Settings,
    cancelled: Cancelled,
) -> None:
    with segment_writer(output, form) as writer:
        for time, picture in enumerate(pictures(footage, form, first, last, settings, cancelled)):
            writer.write(picture, time)


def _copy(
    path: Path,
    probed: Probed,
    run: _Group,
    output: Path,
    form: Form,
    settings: Settings,
    cancelled: Cancelled,
) -> bool:
    """Write the packets of a run; whether a decoder that knows only them gives all of their frames."""
    numbers = {int(time): number - run.first for number, time in enumerate(probed.packets.pts)}
    with (
        writing("a copied scene", output.parent),
        open_media(path, settings.limits) as source,
        av.open(str(output.absolute()), "w", format="mp4") as target,
    ):
        template = source.streams[probed.info.video.index]
        assert isinstance(template, av.VideoStream)
        stream = target.add_stream_from_template(template, opaque=True)
        tagged = BitStreamFilterContext(_tags(form.colour), template, stream)
        stream.time_base = 1 / form.rate
        for place, packet in enumerate(_packets(source, template.index, cancelled)):
            if place >= run.stop:
                break
            if place < run.begin:
                continue
            pts, dts = numbers[packet.pts or 0], place - run.begin - run.delay
            try:
                filtered = tagged.filter(packet)
            except av.error.InvalidDataError:
                return False  # decoding it will tell where the clip is damaged
            for held in filtered:
                held.pts, held.dts = pts, dts
                held.duration, held.time_base, held.stream = 1, 1 / form.rate, stream
                target.mux_one(held)
    return _decodes_alone(output, run.last - run.first)


def _tags(colour: Colour) -> str:
    """A filter that writes a colour into parameter sets: many clips do not say theirs."""
    codes = {
        "colour_primaries": code_of(PRIMARIES, colour.primaries),
        "transfer_characteristics": code_of(TRANSFERS, colour.transfer),
        "matrix_coefficients": code_of(MATRICES, colour.matrix),
        "video_full_range_flag": int(colour.full_range),
    }
    return "h264_metadata=" + ":".join(f"{name}={code}" for name, code in codes.items())


def _decodes_alone(path: Path, frames: int) -> bool:
    """Whether whole frames come in order from a decoder that was told nothing by a container but the header.

    In a joined stream a decoder learns how far pictures are reordered from the parameter sets; encoders that
    do not say it there make it drop some.
    """
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    # nothing is missing before an IDR picture, so that every error is damage; threads for slices hide some
    context.options, context.thread_count = {"err_detect": "explode"}, 1
    times: list[int | None] = []
    with open_media(path, OWN_LIMITS) as container:
        stream = container.streams.video[0]
        context.extradata = stream.codec_context.extradata
        for packet in chain(container.demux(stream), [None]):
            if packet is not None and not packet.size:
                continue
            try:
                times += [None if frame.is_corrupt else frame.pts for frame in context.decode(packet)]
            except av.error.InvalidDataError:
                return False
    known = [time for time in times if time is not None]
    return len(times) == len(known) == frames and known == sorted(known)


def _join(
    parts: list[tuple[Path, int]], form: Form, output: Path, settings: Settings, cancelled: Cancelled
) -> None:
    frames = sum(count for _, count in parts)
    if len(parts) == 1:
        parts[0][0].replace(output)
        return
    track = VideoTrack(
        chunks=tuple(path for path, _ in parts),
        chunk_frames=tuple(count for _, count in parts),
        times=tuple(range(frames)),
        time_base=1 / form.rate,
        end=frames,
        frame_rate=form.rate,
        size=form.size,
        colour=form.colour,
        mixed=True,
    )
    part = beside(output)
    try:
        job = Remux(None, About(), track, "h264", "mp4", settings.limits, cancelled)
        with writing(f"the scene {output.name}", output.parent):
            write_proved(job, part, schedule(track), [])
            verify_chunk(part, frames, form.size)
            part.replace(output)
    finally:
        part.unlink(missing_ok=True)
