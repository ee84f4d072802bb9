import weakref
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.enhance.resample import output_count, sources
from sakuga.episode.footage import Footage, pictures, source_frames
from sakuga.episode.spec import Scene
from sakuga.errors import CancelledError, ContractError, DamagedMediaError
from sakuga.media.film import Film, FilmTrack
from sakuga.media.picture import Picture
from sakuga.media.timing import regular_track
from tests.clips import Rgb, make_clip, numbered
from tests.enhance.given import varying_track
from tests.episode.footages import SETTINGS, footage_of, form_of, numbers, shown

RATES = [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60), Fraction(12)]
SIZE = (96, 64)
FRAMES = 48
HELD = 16
"""Pictures in memory at a time: decoder, reader and conversion hold a few, whatever the clip's length."""
COMBING = 6.0
"""Mean difference of neighbouring lines, in codes, between pictures with and without combing."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Numbered clips by name, a constant rate each and one whose times vary."""
    folder = tmp_path_factory.mktemp("clips")
    made = {
        str(rate): make_clip(folder / f"{number}.mp4", frames=FRAMES, rate=rate, size=SIZE)
        for number, rate in enumerate(RATES)
    }
    gaps = [40, 60, 20, 200, 41, 33, 90] * FRAMES
    times = [sum(gaps[:number]) for number in range(FRAMES)]
    base = Fraction(1, 1000)
    made["varying"] = make_clip(folder / "vfr.mkv", frames=FRAMES, size=SIZE, times=times, time_base=base)
    return made


tracks = st.one_of(
    st.builds(
        lambda count, start, rate: regular_track(Film(kind="frames", count=count), start, rate),
        st.integers(1, 60),
        st.fractions(-2, 2, max_denominator=1000),
        st.sampled_from(RATES),
    ),
    st.lists(st.integers(1, 300), min_size=1, max_size=40).map(
        lambda gaps: varying_track([sum(gaps[:n]) for n in range(len(gaps))], sum(gaps))
    ),
)
starts = st.fractions(0, 2, max_denominator=1001)
rates = st.sampled_from(RATES)
speeds = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2), Fraction(3, 7), Fraction(10)])


def nearest(track: FilmTrack, scene: Scene, rate: Fraction, frame: int) -> int:
    """The film frame of an output frame, from its definition and by looking at all of them."""
    step = scene.speed / rate
    time = scene.start + frame * step
    at = [(one - track.times[0]) * track.time_base for one in track.times]
    allowed = [k for k in range(len(at)) if scene.end is None or at[k] < scene.end] or [0]
    past = [k for k in allowed if at[k] <= time]
    soon = [k for k in allowed if time < at[k] < time + step / 2]
    return min(past[-1:] + soon[:1], key=lambda k: (abs(at[k] - time), k))


@given(tracks, starts, st.none() | st.fractions(Fraction(1, 100), 2, max_denominator=100), speeds, rates)
def test_every_output_frame_shows_the_nearest_source_frame(
    track: FilmTrack, start: Fraction, length: Fraction | None, speed: Fraction, rate: Fraction
) -> None:
    scene = Scene(clip="a", start=start, end=None if length is None else start + length, speed=speed)
    found = source_frames(track, scene, rate, 0, 40)
    assert list(found) == [nearest(track, scene, rate, frame) for frame in range(40)]
    assert all(one <= other for one, other in pairwise(found))


@given(tracks, st.sampled_from(RATES))
def test_a_whole_clip_is_resampled_as_enhance_does_it(track: FilmTrack, rate: Fraction) -> None:
    count = output_count(track, rate)
    assert source_frames(track, Scene(clip="a"), rate, 0, count) == sources(track, rate, count, "nearest")[0]


@given(tracks, starts, speeds, st.sampled_from(RATES), st.integers(0, 40))
def test_a_part_of_a_scene_shows_the_same_frames_as_the_whole(
    track: FilmTrack, start: Fraction, speed: Fraction, rate: Fraction, cut: int
) -> None:
    scene = Scene(clip="a", start=start, speed=speed)
    whole = source_frames(track, scene, rate, 0, 40)
    assert source_frames(track, scene, rate, 0, cut) + source_frames(track, scene, rate, cut, 40) == whole


@settings(max_examples=40)
@given(
    name=st.sampled_from([*map(str, RATES), "varying"]),
    rate=st.sampled_from(RATES),
    start=st.fractions(0, Fraction(3, 4), max_denominator=100),
    speed=speeds,
    share=st.tuples(st.fractions(0, 1), st.fractions(0, 1)),
)
def test_the_pictures_are_those_of_the_right_frames(
    clips: dict[str, Path],
    name: str,
    rate: Fraction,
    start: Fraction,
    speed: Fraction,
    share: tuple[Fraction, Fraction],
) -> None:
    footage = footage_of(clips[name], rate, start=start, speed=speed)
    first, last = sorted(int(one * footage.frames) for one in share)
    last = min(last, first + 20)
    with av.open(str(clips[name])) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        assert base is not None
        stamps = tuple(sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None))
    video = footage.info.video
    track = (
        regular_track(Film(kind="frames", count=FRAMES), Fraction(0), video.frame_rate)
        if video.constant_rate
        else varying_track(stamps, stamps[-1] + 1, base)
    )
    wanted = [nearest(track, footage.scene, rate, frame) for frame in range(first, last)]
    assert numbers(shown(footage, form_of(SIZE, rate), first, last)) == wanted


def test_a_clip_at_the_rate_of_the_episode_shows_each_frame_once(clips: dict[str, Path]) -> None:
    footage = footage_of(clips["24"])
    frames = shown(footage, form_of(SIZE))
    assert numbers(frames) == list(range(FRAMES))
    assert len({id(picture) for picture in frames}) == FRAMES


def test_what_comes_after_the_end_is_never_shown(clips: dict[str, Path]) -> None:
    rate, start = Fraction(10), Fraction(98, 100)
    # the nearest picture is the one at 1 s
    assert numbers(shown(footage_of(clips["24"], rate, start=start), form_of(SIZE, rate), 0, 1)) == [24]
    short = footage_of(clips["24"], rate, start=start, end=Fraction(99, 100))
    assert numbers(shown(short, form_of(SIZE, rate))) == [23]


def test_half_speed_shows_every_frame_twice_as_the_same_picture(clips: dict[str, Path]) -> None:
    footage = footage_of(clips["24"], speed=Fraction(1, 2))
    frames = shown(footage, form_of(SIZE), 0, 20)
    assert numbers(frames) == [number for number in range(10) for _ in "ab"]
    assert all(one is other for one, other in zip(frames[::2], frames[1::2], strict=True))


def test_a_clip_of_one_frame_is_one_picture(tmp_path: Path) -> None:
    footage = footage_of(make_clip(tmp_path / "one.mp4", frames=1, size=SIZE))
    assert footage.frames == 1
    assert numbers(shown(footage, form_of(SIZE))) == [0]


def test_the_last_frame_is_held_where_the_clip_is_shorter_than_the_scene(clips: dict[str, Path]) -> None:
    footage = footage_of(clips["24"]).model_copy(update={"frames": FRAMES + 3})
    assert numbers(shown(footage, form_of(SIZE), FRAMES - 2)) == [46, 47, 47, 47, 47]


def test_a_clip_whose_picture_starts_late_begins_with_its_first_picture(tmp_path: Path) -> None:
    base = Fraction(1, 1000)
    late = make_clip(
        tmp_path / "late.mkv",
        frames=24,
        rate=Fraction(25),
        size=SIZE,
        times=[500 + 40 * number for number in range(24)],
        time_base=base,
        audio_seconds=1,
    )
    footage = footage_of(late, Fraction(25), start=Fraction(1, 5))
    assert numbers(shown(footage, form_of(SIZE, Fraction(25))))[:3] == [5, 6, 7]


@pytest.mark.parametrize("name", ["with space.mp4", "quo'te\".mp4", "new\nline.mp4", "-dash.mp4", "ü %d.mp4"])
def test_names_are_only_names(tmp_path: Path, name: str) -> None:
    footage = footage_of(make_clip(tmp_path / name, frames=4, size=SIZE))
    assert numbers(shown(footage, form_of(SIZE))) == [0, 1, 2, 3]


def moving(number: int, width: int, height: int) -> Rgb:
    """Two moments in one picture: even lines show one, odd lines the next."""
    image = np.full((height, width, 3), 60, np.uint8)
    for field in (0, 1):
        left = (2 * number + field) * 3 % (width - 16)
        image[field::2, left : left + 16] = 210
    return image


def interlaced(stream: av.VideoStream) -> None:
    stream.codec_context.flags |= 1 << 29 | 1 << 18


def combing(picture: Picture) -> float:
    luma = picture.planes[0].astype(int)
    return float(np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean())


def test_an_interlaced_clip_is_made_progressive_at_its_own_rate(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "fields.mp4",
        frames=24,
        rate=Fraction(25),
        size=SIZE,
        draw=moving,
        prepare=interlaced,
        options={"x264-params": "tff=1:crf=10"},
    )
    footage = footage_of(clip, Fraction(25))
    assert footage.info.video.field_order == "tff"
    frames = shown(footage, form_of(SIZE, Fraction(25)))
    assert len(frames) == 24
    assert max(combing(picture) for picture in frames[1:-1]) < COMBING
    # the older field stays, and the other lines are made
    for number, picture in enumerate(frames):
        lines = moving(number, *SIZE)[::2, :, 1] > 128
        assert ((picture.planes[0][::2] > 128) == lines).mean() > 0.99
    split = shown(footage, form_of(SIZE, Fraction(25)), 10, 14)
    assert all(one.same_as(other) for one, other in zip(split, frames[10:14], strict=True))


@pytest.mark.parametrize("size", [(48, 40), (64, 48)], ids=["as they are", "scaled"])
def test_pictures_are_not_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    footage = footage_of(make_clip(tmp_path / "long.mp4", frames=400, size=(48, 40)))
    alive: weakref.WeakSet[Picture] = weakref.WeakSet()
    most = 0
    for picture in pictures(footage, form_of(size), 0, footage.frames, SETTINGS):
        alive.add(picture)
        most = max(most, len(alive))
    assert most <= HELD


def test_damage_in_the_middle_says_which_clip_to_replace(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "bad.mp4", frames=60, size=SIZE, draw=numbered, options={"g": "12", "crf": "10"}
    )
    footage = footage_of(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(data)
    with pytest.raises(DamagedMediaError, match=r"bad\.mp4 .*replace this clip with a whole one"):
        shown(footage, form_of(SIZE))


def test_cancelling_stops_between_two_frames(clips: dict[str, Path]) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(CancelledError):
        list(pictures(footage_of(clips["24"]), form_of(SIZE), 0, FRAMES, SETTINGS, cancelled))
    assert len(asked) == 6


def test_frames_outside_of_the_scene_are_refused(clips: dict[str, Path]) -> None:
    with pytest.raises(ContractError, match="a scene of 48"):
        shown(footage_of(clips["24"]), form_of(SIZE), 0, FRAMES + 1)


def test_a_placeholder_never_opens_a_file(tmp_path: Path, clips: dict[str, Path]) -> None:
    info = footage_of(clips["24"]).info
    footage = Footage(
        path=tmp_path / "absent.mp4",
        digest="",
        info=info,
        scene=Scene(clip="absent.mp4"),
        frames=10,
        placeholder=True,
    )
    frames = shown(footage, form_of(SIZE))
    assert len(frames) == 10
    assert len({id(picture) for picture in frames}) == 1
