"""Exact time: rates as fractions, and times as whole ticks of a unit that holds them."""

from fractions import Fraction
from math import gcd

from sakuga.media.film import Film, FilmTrack
from sakuga.media.info import VideoStream
from sakuga.media.packets import PacketIndex

MAX_TIMESCALE = 2**31 - 1
"""Most ticks per second that MP4 and ffmpeg hold: both keep them as a signed number of 32 bits."""


def common_unit(*values: Fraction) -> Fraction:
    """The largest unit that every value is a whole multiple of; 1 where all values are 0."""
    numerator, denominator = 0, 1
    for value in values:
        numerator, denominator = (
            gcd(numerator * value.denominator, value.numerator * denominator),
            denominator * value.denominator,
        )
    return Fraction(numerator, denominator) if numerator else Fraction(1)


def ticks(value: Fraction, unit: Fraction) -> int:
    """`value` as a number of `unit`; the nearest one, the later of two, where it is no whole number."""
    count = value / unit
    return (2 * count.numerator + count.denominator) // (2 * count.denominator)


def regular_track(film: Film, start: Fraction, rate: Fraction) -> FilmTrack:
    """Film frames at a constant rate: frame k is shown at exactly `start + k / rate` seconds.

    The time base is the largest one in which both the start and the length of a frame are whole ticks.
    """
    base = common_unit(start, 1 / rate)
    first, step = ticks(start, base), ticks(1 / rate, base)
    end = first + film.count * step
    return FilmTrack(film=film, time_base=base, times=tuple(range(first, end, step)), end=end, rate=rate)


def progressive_track(video: VideoStream, packets: PacketIndex) -> FilmTrack:
    """The track of a source whose decoded frames are its film frames.

    At a constant rate containers round times to their own ticks (Matroska to milliseconds); the exact times
    are put back: the first packet's time plus k frames. Where a packet is half a frame or more away from
    that, the rate was not constant after all, and the times are kept as they are.
    """
    film = Film(kind="frames", count=len(packets))
    if video.constant_rate and len(packets):
        track = regular_track(film, int(packets.pts[0]) * packets.time_base, video.frame_rate)
        if _agrees(track, packets):
            return track
    return FilmTrack(
        film=film,
        time_base=packets.time_base,
        times=tuple(packets.pts.tolist()),
        end=packets.end,
        rate=None,
    )


def _agrees(track: FilmTrack, packets: PacketIndex) -> bool:
    unit = common_unit(track.time_base, packets.time_base)
    ours, theirs = ticks(track.time_base, unit), ticks(packets.time_base, unit)
    frame = track.end * ours - track.times[-1] * ours
    return all(
        2 * abs(time * ours - pts * theirs) < frame
        for time, pts in zip(track.times, packets.pts.tolist(), strict=True)
    )
