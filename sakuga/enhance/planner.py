"""From what a source holds and what the user wants to the plan of every output frame."""

from collections.abc import Sequence
from fractions import Fraction

from sakuga.enhance.cuts import chunks_at, cut_points
from sakuga.enhance.geometry import geometry
from sakuga.enhance.near import group_starts
from sakuga.enhance.plan import Geometry, Plan
from sakuga.enhance.resample import output_count, sources
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import ContractError, HdrError, LimitError, OptionError, UnreadableMediaError
from sakuga.media.codecs import EncodeSettings, choose_layout, encoder_options
from sakuga.media.film import Film, FilmTrack
from sakuga.media.info import MediaInfo, PixelLayout, VideoStream
from sakuga.media.packets import PacketIndex
from sakuga.media.timing import MAX_TIMESCALE, common_unit, ticks
from sakuga.media.upright import upright_layout
from sakuga.settings import Limits

MAX_RATE_AV1 = 240
"""Most frames per second that SVT-AV1 takes."""


def check_request(info: MediaInfo, spec: EnhanceSpec, limits: Limits) -> None:
    """Refuse what cannot be done, from headers alone, before any work starts.

    Raises:
        HdrError: the source is PQ or HLG and `spec.tonemap` is off.
        OptionError: the result's size, frame rate, depth or preset cannot be made.
        LimitError: the result is larger or longer than the limits allow.
    """
    if info.video.hdr and not spec.tonemap:
        raise HdrError(
            f"The source has high dynamic range ({info.video.hdr.upper()}); "
            "add --tonemap to turn it into standard dynamic range."
        )
    size = geometry(info.video, spec, limits)
    _check_preset(spec, _layout(info.video, spec, size), info.video)
    _check_rate(spec.fps or info.video.frame_rate, spec, limits)
    if spec.fps is not None:
        _check_exact(spec.fps)
        _check_count(int(info.video.duration * spec.fps), limits)


def make_plan(
    info: MediaInfo, packets: PacketIndex, track: FilmTrack, spec: EnhanceSpec, limits: Limits
) -> Plan:
    """The plan of a job; a pure function of its arguments.

    Without a frame rate in `spec`, or with the track's own, every film frame is shown once at its own time.
    With another one output frame j is shown j / fps after film frame 0 (see `resample`). Times, film frames
    and weights do not depend on the length of chunks.

    Args:
        info: what the container holds.
        packets: decoded frames of `info.video`.
        track: film frames, at their own rate.
        spec: what the user wants.
        limits: bounds of sources and results.

    Raises:
        UnreadableMediaError: there is no film frame.
        ContractError: the track's times do not increase, or start before `info.start`.
        InputError: as `check_request` does.
    """
    check_request(info, spec, limits)
    _check_track(track)
    rate = track.rate if spec.fps is None else spec.fps
    if rate is not None:
        _check_rate(rate, spec, limits)
    offset = track.times[0] * track.time_base - info.start
    if offset < 0:
        raise ContractError(f"The picture starts {-offset} s before the earliest stream of its container.")
    if spec.fps is None or spec.fps == track.rate:
        count = len(track.times)
        _check_count(count, limits)
        left, weight = tuple(range(count)), (0,) * count
        time_base, times, end = _kept(track, offset)
    else:
        count = output_count(track, spec.fps)
        _check_count(count, limits)
        left, weight = sources(track, spec.fps, count, spec.interpolation)
        time_base, times, end = _regular(offset, spec.fps, count)
    length = Fraction(spec.chunk_seconds).limit_denominator(10**6) / time_base
    allowed = group_starts(left, weight) if spec.reuse == "near" else None
    cuts = cut_points(times, end, length, _cheap_starts(left, track.film, packets), allowed)
    size = geometry(info.video, spec, limits)
    return Plan(
        time_base=time_base,
        times=times,
        end=end,
        left=left,
        weight=weight,
        frame_rate=rate,
        film=track.film,
        geometry=size,
        layout=_layout(info.video, spec, size),
        chunks=chunks_at(cuts, left, weight),
    )


def _check_preset(spec: EnhanceSpec, layout: PixelLayout, video: VideoStream) -> None:
    settings = EncodeSettings(
        codec=spec.codec,
        quality=spec.quality,
        preset=spec.preset,
        hardware=spec.hardware,
        container=spec.container,
    )
    encoder_options(settings, layout, video.colour)


def _check_rate(fps: Fraction, spec: EnhanceSpec, limits: Limits) -> None:
    if fps > limits.max_frame_rate:
        raise LimitError(
            f"{float(fps):g} frames per second are more than the {limits.max_frame_rate:g} that the setting "
            "limits.max_frame_rate allows; ask for a lower frame rate."
        )
    if spec.codec == "av1" and fps > MAX_RATE_AV1:
        raise OptionError(
            f"AV1 ends at {MAX_RATE_AV1} frames per second, and the result would have {float(fps):g}; "
            "ask for a lower frame rate or choose another codec."
        )


def _check_exact(fps: Fraction) -> None:
    if max(fps.numerator, fps.denominator) > MAX_TIMESCALE:
        raise OptionError(
            f"No container can hold {fps} frames per second; give a simpler fraction, such as 24000/1001."
        )


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.max_frames:
        raise LimitError(
            f"The result would have {count} frames, more than the {limits.max_frames} that the setting "
            "limits.max_frames allows; choose a lower frame rate."
        )


def _check_track(track: FilmTrack) -> None:
    if not track.times:
        raise UnreadableMediaError("The video stream has no frame that could be shown.")
    later = (*track.times[1:], track.end)
    if len(track.times) != track.film.count or any(a >= b for a, b in zip(track.times, later, strict=True)):
        raise ContractError("The times of the film frames do not increase; no plan can be made of them.")


def _regular(offset: Fraction, rate: Fraction, count: int) -> tuple[Fraction, tuple[int, ...], int]:
    """Time base, times and end of frames at a constant rate."""
    base = _time_base(1 / rate, offset)
    first, step = ticks(offset, base), ticks(1 / rate, base)
    end = first + count * step
    return base, tuple(range(first, end, step)), end


def _kept(track: FilmTrack, offset: Fraction) -> tuple[Fraction, tuple[int, ...], int]:
    """Time base, times and end of a track that is moved so that its first frame is at `offset`."""
    if track.rate is not None:
        return _regular(offset, track.rate, len(track.times))
    base = _time_base(track.time_base, offset)
    scale = ticks(track.time_base, base)
    shift = ticks(offset, base) - track.times[0] * scale
    return base, tuple(time * scale + shift for time in track.times), track.end * scale + shift


def _time_base(step: Fraction, offset: Fraction) -> Fraction:
    """A unit for multiples of `step` after `offset`, exact unless containers cannot hold it.

    A unit beyond `MAX_TIMESCALE` would fail when the file is written. Then it is the finest part of `step`
    that they hold: the step stays exact, and the offset is off by less than that.
    """
    exact = common_unit(step, offset)
    if exact.denominator <= MAX_TIMESCALE:
        return exact
    return step / max(1, MAX_TIMESCALE // step.denominator)


def _cheap_starts(left: Sequence[int], film: Film, packets: PacketIndex) -> list[int]:
    """Output frames that are the first to need a keyframe of the source."""
    starts = [film.decoded_span(frame, frame + 1)[0] for frame in range(film.count)]
    keyframe = packets.keyframe.tolist()
    return [
        j for j in range(1, len(left)) if keyframe[starts[left[j]]] and starts[left[j - 1]] < starts[left[j]]
    ]


def _layout(video: VideoStream, spec: EnhanceSpec, size: Geometry) -> PixelLayout:
    grown = (Fraction(after, before) for after, before in zip(size.output, size.upright, strict=True))
    return choose_layout(upright_layout(video), min(grown), spec.codec, spec.hardware, spec.bit_depth)
