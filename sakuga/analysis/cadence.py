"""How the pictures of a video were made: progressive, interlaced, telecined, or with repeated frames.

Decided by looking at the frames; what the container says is asked only where they do not tell.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np

from sakuga.analysis.decimate import keep_frames, match_fields, plain_share, still_combed, woven_change
from sakuga.analysis.fields import measure
from sakuga.analysis.look import Cadence, Look, look_at
from sakuga.analysis.votes import DECIMATIONS, TELECINE
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.film import Film, FilmTrack, PictureSource
from sakuga.media.info import Frozen, MediaInfo
from sakuga.media.packets import PacketIndex
from sakuga.media.timing import progressive_track, regular_track

FIELD = Fraction(1001, 60000)
"""Duration of a field of 29.97 frames per second."""
THROUGHOUT = 0.8
"""Share of moving cycles that must hold a plain duplicate; the rest are cuts, titles and edits."""
FIELDS_PER_PICTURE = 2.5
"""Mean duration of a film frame with pulldown, in fields."""
FIELD_TOLERANCE = 0.1
"""How far from whole fields durations of soft telecine may be: containers round to milliseconds."""


class Analysis(Frozen):
    """The film of a source, what it was decided by, and why in one sentence."""

    track: FilmTrack
    found: Cadence
    reason: str


def analyse(
    reader: PictureSource,
    info: MediaInfo,
    packets: PacketIndex,
    spec: EnhanceSpec,
    on_frame: Callable[[int], None] | None = None,
) -> Analysis:
    """Find out how the pictures were made, and how film frames are made of them.

    A long source is sampled; where it is telecined or has repeated frames, all of it is then read once.

    Args:
        reader: gives decoded frames.
        info: what the container holds.
        packets: times of the decoded frames.
        spec: its `deinterlace` says what to look for.
        on_frame: is called during the full pass with the number of frames that have been read.

    Raises:
        DamagedMediaError: a frame does not decode (raised by the reader).
    """
    video, plain = info.video, progressive_track(info.video, packets)
    if spec.deinterlace == "off" or not len(packets):
        found = Cadence(kind="progressive", field_order=video.field_order, measures={})
        return Analysis(track=plain, found=found, reason="The frames are taken as they are, as asked.")
    if spec.deinterlace in ("auto", "film") and is_soft_telecine(packets):
        return _soft(plain, packets)
    look = look_at(reader, video, packets, plain.rate)
    kind = look.kind
    if spec.deinterlace in ("field", "frame"):
        return _interlaced(look, plain, packets, each_field=spec.deinterlace == "field", asked=True)
    if spec.deinterlace == "film" or kind in ("telecined", "shifted"):
        drop = spec.deinterlace == "film" or (kind == "telecined" and (plain.rate, TELECINE) in DECIMATIONS)
        return _telecined(reader, look, plain, packets, on_frame, drop=drop)
    if kind == "interlaced":
        return _interlaced(look, plain, packets, each_field=True, asked=False)
    period = look.duplicates(plain.rate)
    if period:
        return _duplicated(reader, look, plain, packets, period, on_frame)
    return Analysis(track=plain, found=look.found("progressive"), reason=_progressive_reason(look))


def is_soft_telecine(packets: PacketIndex) -> bool:
    """Whether frames are shown for two and three fields in turn: film with pulldown flags, not yet woven."""
    lengths = np.diff(packets.pts) * float(packets.time_base / FIELD)
    fields = np.rint(lengths)
    if len(lengths) < 8 or np.abs(lengths - fields).max() > FIELD_TOLERANCE:
        return False
    in_turn = np.isin(fields[:-1], (2, 3)) & np.isin(fields[1:], (2, 3)) & (fields[:-1] != fields[1:])
    # evenly spaced times must never be a film frame away from the packets' own, or sound would drift off
    drift = np.abs(np.cumsum(fields - FIELDS_PER_PICTURE)).max()
    return bool(in_turn.mean() > 0.9 and drift < FIELDS_PER_PICTURE)


def _start(plain: FilmTrack) -> Fraction:
    return plain.times[0] * plain.time_base


def _soft(plain: FilmTrack, packets: PacketIndex) -> Analysis:
    rate = Fraction(24000, 1001)
    start = int(packets.pts[0]) * packets.time_base
    track = regular_track(plain.film, start, rate)
    found = Cadence(kind="telecined", field_order="progressive", measures={"frames": float(len(packets))})
    reason = f"Frames are shown for two and three fields in turn: film with pulldown flags, shown at {rate}."
    return Analysis(track=track, found=found, reason=reason)


def _interlaced(
    look: Look, plain: FilmTrack, packets: PacketIndex, *, each_field: bool, asked: bool
) -> Analysis:
    found = look.found("interlaced")
    count = len(packets)
    first = look.top_field_first
    if not each_field:
        film = Film(kind="deinterlaced", count=count, top_field_first=first)
        track = plain.model_copy(update={"film": film})
    else:
        film = Film(kind="bob", count=2 * count, top_field_first=first)
        track = _field_track(film, plain, packets)
    order = "top" if first else "bottom"
    seen = "as asked" if asked else f"{found.measures['torn']:.0%} of moving frames hold two moments"
    made = "every field" if each_field else "every two fields"
    reason = f"Interlaced, {order} field first ({seen}): {made} became a frame."
    return Analysis(track=track, found=found, reason=reason)


def _field_track(film: Film, plain: FilmTrack, packets: PacketIndex) -> FilmTrack:
    if plain.rate is not None:
        return regular_track(film, _start(plain), 2 * plain.rate)
    ends = [*packets.pts.tolist(), packets.end]
    times = tuple(time for now, then in pairwise(ends) for time in (2 * now, now + then))
    base = packets.time_base / 2
    return FilmTrack(film=film, time_base=base, times=times, end=2 * packets.end, rate=None)


def _telecined(
    reader: PictureSource,
    look: Look,
    plain: FilmTrack,
    packets: PacketIndex,
    on_frame: Callable[[int], None] | None,
    *,
    drop: bool,
) -> Analysis:
    table = look.whole or measure(reader.read(0, len(packets)), on_frame)
    first = look.top_field_first
    bottom = match_fields(table, first)
    combed = still_combed(table, bottom)
    kept = list(range(len(packets)))
    drop = drop and plain.rate is not None
    if drop:
        kept, _ = keep_frames(woven_change(table, bottom), TELECINE)
    film = Film(
        kind="woven",
        count=len(kept),
        top_field_first=first,
        top=tuple(kept),
        bottom=tuple(bottom[kept].tolist()),
        combed=tuple(combed[kept].tolist()),
    )
    found = look.found("telecined")
    left = int(combed[kept].sum())
    seen = f"{found.measures['matched']:.0%} of moving frames are combed and their fields match a neighbour's"
    if not drop or plain.rate is None:
        track = plain.model_copy(update={"film": film})
        reason = f"Fields are displaced ({seen}): they were put together again, {left} frames stayed combed."
        return Analysis(track=track, found=found, reason=reason)
    rate = plain.rate * (TELECINE - 1) / TELECINE
    track = regular_track(film, _start(plain), rate)
    reason = f"Film telecined to {plain.rate} ({seen}): brought back to {rate}, {left} frames stayed combed."
    return Analysis(track=track, found=found, reason=reason)


def _duplicated(
    reader: PictureSource,
    look: Look,
    plain: FilmTrack,
    packets: PacketIndex,
    period: int,
    on_frame: Callable[[int], None] | None,
) -> Analysis:
    table = look.whole or measure(reader.read(0, len(packets)), on_frame)
    assert plain.rate is not None
    rate = DECIMATIONS[plain.rate, period]
    change = np.nan_to_num(table.change.astype(np.float64), nan=np.inf)
    kept, dropped = keep_frames(change, period)
    if plain_share(change, dropped, period) < THROUGHOUT:
        reason = "Some frames are repeated, but not throughout: the frames are taken as they are."
        return Analysis(track=plain, found=look.found("progressive"), reason=reason)
    track = regular_track(Film(kind="frames", count=len(kept), top=tuple(kept)), _start(plain), rate)
    reason = f"One frame in {period} repeats the one before: {plain.rate} was brought back to {rate}."
    return Analysis(track=track, found=look.found("duplicated"), reason=reason)


def _progressive_reason(look: Look) -> str:
    flag = {"tff": "interlaced", "bff": "interlaced"}.get(look.video.field_order)
    moving = int(look.found("progressive").measures["moving"])
    if not moving:
        return "Progressive: nothing moves between fields."
    said = ", although the container says interlaced" if flag else ""
    return f"Progressive: the fields of {moving} moving frames belong together{said}."
