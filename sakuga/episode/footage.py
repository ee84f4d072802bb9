"""The pictures of a scene: the right frame of its clip at every moment, in the episode's form."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil
from pathlib import Path

from sakuga.analysis.look import look_at
from sakuga.episode.conform import Conform
from sakuga.episode.form import Form
from sakuga.episode.layers import placeholder
from sakuga.episode.spec import Scene
from sakuga.errors import CancelledError, ContractError, DamagedMediaError
from sakuga.media.decode import FrameReader
from sakuga.media.film import Film, FilmTrack, film_pictures
from sakuga.media.info import Frozen, MediaInfo, VideoStream
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture
from sakuga.media.probe import probe
from sakuga.media.timing import common_unit, progressive_track, ticks
from sakuga.settings import Limits, Settings

Cancelled = Callable[[], bool] | None

KEPT_REELS = 4
"""Clips whose packets are remembered: several segments of one are made after each other."""


class Footage(Frozen):
    """The clip of a scene.

    `digest` is the file's SHA-256 in hexadecimal, `frames` how many the scene has in the episode. A
    `placeholder` stands for a clip that is missing; its file is never opened.
    """

    path: Path
    digest: str
    info: MediaInfo
    scene: Scene
    frames: int
    placeholder: bool = False


def pictures(
    footage: Footage,
    form: Form,
    first: int,
    last: int,
    settings: Settings,
    cancelled: Cancelled = None,
) -> Iterator[Picture]:
    """Frames [first, last) of a scene in the form; a frame is the same however a range is split.

    Time 0 of a clip is its first picture. Frame k of the scene shows the picture that is nearest to
    `start + k * speed / rate` in it (see `source_frames`). Frames that show the same picture after one
    another are the same object.

    Args:
        footage: the scene's clip.
        form: the episode's form.
        first: number of the first frame, from the scene's beginning.
        last: number after the last frame.
        settings: of this machine.
        cancelled: asked at every frame; True stops the work.

    Raises:
        ContractError: the range is not within the scene.
        DamagedMediaError: a frame of the clip does not decode.
        InputError: the clip is not the one that was probed.
        CancelledError: `cancelled` said so.
    """
    if not 0 <= first <= last <= footage.frames:
        raise ContractError(f"Frames {first} to {last} were asked of a scene of {footage.frames}.")
    source: Picture | None = None
    shown: Picture | None = None
    if footage.placeholder:
        shown = placeholder(footage.scene, form)
        for _ in range(first, last):
            _check(footage, cancelled)
            yield shown
        return
    reel = _reel_of(footage.path, settings.limits)
    conform = Conform(reel.video, footage.scene.fit, form)
    numbers = source_frames(reel.track, footage.scene, form.rate, first, last)
    with FrameReader(footage.path, reel.video, reel.packets, limits=settings.limits) as reader:
        try:
            for picture in _shown(reader, reel, numbers):
                _check(footage, cancelled)
                if picture is not source or shown is None:
                    source, shown = picture, conform(picture)
                yield shown
        except DamagedMediaError as error:
            found = str(error).rsplit(";", 1)[0].rstrip(".")
            raise DamagedMediaError(f"{found}; replace this clip with a whole one.") from error


def source_frames(track: FilmTrack, scene: Scene, rate: Fraction, first: int, last: int) -> tuple[int, ...]:
    """The film frame that each of a scene's frames [first, last) shows.

    The rule is that of `sakuga.enhance.resample` for `nearest`: the film frame nearest to the time, the
    earlier of two, and one that is not due yet only within half an output frame. What is at or after the
    scene's `end` in the clip is never shown; the last film frame before it is held.

    Args:
        track: the clip's film frames with their times.
        scene: its start, end and speed.
        rate: output frames per second.
        first: number of the first frame, from the scene's beginning.
        last: number after the last one.
    """
    step = scene.speed / rate
    # plain integers: the common unit can be finer than 64 bits reach
    unit = common_unit(track.time_base, scene.start, step)
    scale, stride, begin = (ticks(value, unit) for value in (track.time_base, step, scene.start))
    times, origin, count = track.times, track.times[0], len(track.times)
    if scene.end is not None:
        count = max(1, bisect_left(times, origin + ceil(scene.end / track.time_base)))
    shown = []
    for frame in range(first, last):
        time = begin + frame * stride
        k = min(bisect_right(times, origin + time // scale), count) - 1
        if k + 1 < count:
            before, after = time - (times[k] - origin) * scale, (times[k + 1] - origin) * scale - time
            k += before > after and 2 * after < stride
        shown.append(k)
    return tuple(shown)


@dataclass(frozen=True, eq=False)
class _Reel:
    """A clip that was looked at: its frames, and what whole pictures are made of them."""

    video: VideoStream
    packets: PacketIndex
    track: FilmTrack


def _reel_of(path: Path, limits: Limits) -> _Reel:
    stat = path.stat() if path.exists() else None
    version = (stat.st_size, stat.st_mtime_ns) if stat else (0, 0)
    return _reel(path, version, limits.model_dump_json())


@lru_cache(maxsize=KEPT_REELS)
def _reel(path: Path, version: tuple[int, int], limits_json: str) -> _Reel:
    del version
    limits = Limits.model_validate_json(limits_json)
    probed = probe(path, limits)
    video = probed.info.video
    track = progressive_track(video, probed.packets)
    if video.field_order == "progressive":
        return _Reel(video, probed.packets, track)
    with FrameReader(path, video, probed.packets, limits=limits) as reader:
        look = look_at(reader, video, probed.packets, track.rate)
    if look.kind != "progressive":
        # one picture of every two fields, as `enhance` does where `frame` is asked for
        film = Film(kind="deinterlaced", count=len(probed.packets), top_field_first=look.top_field_first)
        track = track.model_copy(update={"film": film})
    return _Reel(video, probed.packets, track)


def _shown(reader: FrameReader, reel: _Reel, numbers: tuple[int, ...]) -> Iterator[Picture]:
    """The film frames of these numbers, which never go back, upright and with standard range."""
    if not numbers:
        return
    video, tonemap = reel.video, reel.video.hdr is not None
    if reel.track.film.kind == "frames":
        film = Film(kind="frames", count=len(numbers), top=numbers)
        yield from film_pictures(reader, film, 0, film.count, video, tonemap=tonemap)
        return
    whole = film_pictures(reader, reel.track.film, numbers[0], numbers[-1] + 1, video, tonemap=tonemap)
    at, picture = numbers[0] - 1, None
    for number in numbers:
        while at < number or picture is None:
            at, picture = at + 1, next(whole)
        yield picture


def _check(footage: Footage, cancelled: Cancelled) -> None:
    if cancelled is not None and cancelled():
        raise CancelledError(f"The scene {footage.scene.clip!r} was cancelled.")
