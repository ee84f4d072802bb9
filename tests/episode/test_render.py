from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.episode.conform import placement
from sakuga.episode.footage import Footage
from sakuga.episode.form import Form
from sakuga.episode.render import render
from sakuga.episode.spec import Credits, EpisodeSpec, Kind, Title, Transition
from sakuga.episode.timeline import Segment, Timeline, lay_out
from sakuga.episode.transitions import between, moment
from sakuga.errors import CancelledError, ContractError, DamagedMediaError
from sakuga.media.chunks import VideoTrack, schedule
from sakuga.media.decode import FrameReader
from sakuga.media.encode import EncodeSettings
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Plane
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.clips import make_clip, read_number
from tests.episode.footages import FAST, SETTINGS, footage_of, form_of, numbers, shown

SIZE = (96, 64)
CODING = 3.0
"""Mean error of luma, in codes, that CRF 12 leaves in these pictures."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three numbered clips of other sizes and rates, 1 second each."""
    folder = tmp_path_factory.mktemp("clips")
    kinds = [((96, 64), 24), ((64, 48), 12), ((128, 72), 30)]
    return [
        make_clip(folder / f"{number}.mp4", frames=rate, rate=Fraction(rate), size=size)
        for number, (size, rate) in enumerate(kinds)
    ]


def episode(
    footages: Sequence[Footage], kind: str = "crossfade", credits: Credits | None = None
) -> tuple[EpisodeSpec, Timeline]:
    transition = Transition.model_validate({"kind": kind, "seconds": "1/4"})
    scenes = tuple(footage.scene for footage in footages)
    spec = EpisodeSpec(scenes=scenes, transition=transition, credits=credits)
    return spec, lay_out(spec, [footage.info.video.duration for footage in footages], Fraction(24))


def made(
    segment: Segment, footages: Sequence[Footage], spec: EpisodeSpec, form: Form, output: Path
) -> list[Plane]:
    """Lumas of a rendered segment."""
    own = [footages[span.scene] for span in segment.spans]
    result = render(segment, own, spec, form, output, SETTINGS)
    probed = probe(output, Limits())
    with FrameReader(output, probed.info.video, probed.packets, limits=Limits()) as reader:
        lumas = [picture.planes[0] for picture in reader.read(0, len(probed.packets))]
    assert result.frames == len(lumas) == segment.frames
    assert result.bytes == output.stat().st_size
    return lumas


def test_a_plain_segment_has_the_frames_of_its_span(tmp_path: Path, clips: list[Path]) -> None:
    footages = [footage_of(path) for path in clips]
    spec, line = episode(footages)
    first = line.segments[0]
    assert (first.kind, first.frames) == ("plain", 18)
    assert [read_number(luma) for luma in made(first, footages, spec, form_of(SIZE), tmp_path / "a.mp4")] == [
        *range(18)
    ]


@pytest.mark.parametrize("kind", get_args(Kind)[1:])
def test_a_transition_has_the_frames_of_both_scenes_in_it(
    tmp_path: Path, clips: list[Path], kind: Kind
) -> None:
    footages = [footage_of(clips[0]), footage_of(clips[2])]
    spec, line = episode(footages, kind)
    segment, form = line.segments[1], form_of(SIZE)
    lumas = made(segment, footages, spec, form, tmp_path / "t.mp4")
    both = (
        shown(footage, form, span.first, span.last)
        for footage, span in zip(footages, segment.spans, strict=True)
    )
    for number, (one, other) in enumerate(zip(*both, strict=True)):
        wanted = between(kind, one, other, moment(number, segment.frames), "left", form)
        assert np.abs(lumas[number].astype(float) - wanted.planes[0]).mean() < CODING


def test_a_crossfade_is_the_mean_of_both_scenes_in_its_middle(tmp_path: Path, clips: list[Path]) -> None:
    footages = [footage_of(clips[0]), footage_of(clips[2])]
    transition = Transition(kind="crossfade", seconds=Fraction(7, 24))
    spec = EpisodeSpec(scenes=tuple(one.scene for one in footages), transition=transition)
    segment = lay_out(spec, [Fraction(1), Fraction(1)], Fraction(24)).segments[1]
    form = form_of(SIZE)
    lumas = made(segment, footages, spec, form, tmp_path / "t.mp4")
    one, other = (
        shown(footage, form, span.first, span.last)[3].planes[0].astype(float)
        for footage, span in zip(footages, segment.spans, strict=True)
    )
    assert np.abs(lumas[3] - (one + other) / 2).mean() < CODING


def test_titles_are_seen_in_their_frames_only_and_also_within_transitions(
    tmp_path: Path, clips: list[Path]
) -> None:
    title = Title(text="MMM", at=Fraction(1, 2), seconds=Fraction(1, 2), fade=Fraction(0), size=0.3)
    footages = [footage_of(clips[0], titles=(title,)), footage_of(clips[0])]
    spec, line = episode(footages)
    assert [segment.kind for segment in line.segments] == ["plain", "titled", "transition", "plain"]
    form = form_of(SIZE)
    for number, segment in enumerate(line.segments):
        lumas = made(segment, footages, spec, form, tmp_path / f"{number}.mp4")
        plain = [footage_of(clips[0])] * 2
        bare = made(segment, plain, spec, form, tmp_path / f"{number}-bare.mp4")
        over = [float(np.abs(a.astype(float) - b)[24:40].max()) for a, b in zip(lumas, bare, strict=True)]
        if segment.kind == "plain":
            assert max(over) == 0
        else:
            assert min(over[: segment.frames // 2]) > 60


def test_a_title_goes_in_its_last_frame_even_within_a_transition(tmp_path: Path, clips: list[Path]) -> None:
    title = Title(text="MMM", seconds=Fraction(19, 24), fade=Fraction(0), size=0.3)
    titled, bare = footage_of(clips[0], titles=(title,)), footage_of(clips[0])
    spec, line = episode([titled, bare])
    segment, form = line.segments[1], form_of(SIZE)
    assert (segment.kind, segment.first) == ("transition", 18)
    lumas = made(segment, [titled, bare], spec, form, tmp_path / "a.mp4")
    plain = made(segment, [bare, bare], spec, form, tmp_path / "b.mp4")
    over = [float(np.abs(a.astype(float) - b).max()) for a, b in zip(lumas, plain, strict=True)]
    assert over[0] > 60
    assert max(over[1:]) < 30


def test_credits_are_as_long_as_they_should_be(tmp_path: Path, clips: list[Path]) -> None:
    footages = [footage_of(clips[0])]
    credits = Credits(lines=("Drawn by", "somebody"), seconds=Fraction(3, 4), size=0.2)
    spec, line = episode(footages, credits=credits)
    lumas = made(line.segments[-1], footages, spec, form_of(SIZE), tmp_path / "credits.mp4")
    assert len(lumas) == 18
    assert int(lumas[9].max()) > 180
    assert int(np.median(lumas[9])) <= 18


@pytest.mark.parametrize(
    ("settings", "depth"),
    [(FAST, 8), (EncodeSettings(codec="hevc", preset="ultrafast", quality=12), 10)],
    ids=["h264", "hevc"],
)
def test_all_segments_of_an_episode_can_follow_each_other_in_one_stream(
    tmp_path: Path, clips: list[Path], settings: EncodeSettings, depth: int
) -> None:
    title = Title(text="M", seconds=Fraction(1, 4), fade=Fraction(0))
    footages = [footage_of(clips[0], titles=(title,)), footage_of(clips[1]), footage_of(clips[2])]
    spec, line = episode(footages, "wipe", Credits(lines=("End",), seconds=Fraction(1, 4)))
    layout = PixelLayout.model_validate({"chroma": "420", "depth": depth})
    form = form_of(SIZE, settings=settings, layout=layout)
    paths = []
    for number, segment in enumerate(line.segments):
        paths.append(tmp_path / f"{number}.mp4")
        made(segment, footages, spec, form, paths[-1])
    track = VideoTrack(
        chunks=tuple(paths),
        chunk_frames=tuple(segment.frames for segment in line.segments),
        times=tuple(range(line.frames)),
        time_base=Fraction(1, 24),
        end=line.frames,
        frame_rate=Fraction(24),
        size=form.size,
        colour=form.colour,
    )
    assert sorted(schedule(track).pts.tolist()) == list(range(line.frames))
    infos = [probe(path, Limits()).info.video for path in paths]
    assert {(info.width, info.height, info.pix_fmt, info.colour.matrix) for info in infos} == {
        (*SIZE, layout.pix_fmt, "bt709")
    }


@settings(max_examples=6)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.fractions(0, Fraction(1, 2), max_denominator=24),
            st.sampled_from([Fraction(1), Fraction(3, 2), Fraction(1, 2)]),
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([Fraction(24), Fraction(30000, 1001), Fraction(10)]),
)
def test_every_frame_of_an_episode_is_the_one_that_is_due(
    clips: list[Path], cuts: list[tuple[int, Fraction, Fraction]], rate: Fraction
) -> None:
    footages = [footage_of(clips[clip], rate, start=start, speed=speed) for clip, start, speed in cuts]
    spec = EpisodeSpec(scenes=tuple(footage.scene for footage in footages))
    line = lay_out(spec, [footage.info.video.duration for footage in footages], rate)
    seen, form = [], form_of(SIZE, rate)
    with TemporaryDirectory() as folder:
        for number, segment in enumerate(line.segments):
            seen += made(segment, footages, spec, form, Path(folder) / f"{number}.mp4")
    assert len(seen) == line.frames
    for placed, footage in zip(line.scenes, footages, strict=True):
        left, top, width, height = placement(footage.info.video, "fit", SIZE).place
        for frame in range(placed.frames):
            due = footage.scene.start + (line.time(placed.first + frame) - line.time(placed.first)) * (
                footage.scene.speed
            )
            luma = seen[placed.first + frame][top : top + height, left : left + width]
            shown_at = read_number(luma) / footage.info.video.frame_rate
            assert abs(shown_at - due) <= 1 / footage.info.video.frame_rate + footage.scene.speed / rate / 2


def test_an_odd_rate_is_exact(tmp_path: Path, clips: list[Path]) -> None:
    rate = Fraction(30000, 1001)
    footage = footage_of(clips[0], rate)
    spec = EpisodeSpec(scenes=(footage.scene,))
    segment = lay_out(spec, [footage.info.video.duration], rate).segments[0]
    render(segment, [footage], spec, form_of(SIZE, rate), tmp_path / "a.mp4", SETTINGS)
    assert probe(tmp_path / "a.mp4", Limits()).info.video.frame_rate == rate


def test_progress_counts_every_frame(tmp_path: Path, clips: list[Path]) -> None:
    footages = [footage_of(clips[0])]
    spec, line = episode(footages)
    counted: list[int] = []
    render(
        line.segments[0], footages, spec, form_of(SIZE), tmp_path / "a.mp4", SETTINGS, progress=counted.append
    )
    assert counted == list(range(1, 25))


def test_cancelling_leaves_nothing_behind(tmp_path: Path, clips: list[Path]) -> None:
    footages = [footage_of(path) for path in clips]
    spec, line = episode(footages)
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 12

    own = [footages[span.scene] for span in line.segments[1].spans]
    with pytest.raises(CancelledError):
        render(line.segments[1], own, spec, form_of(SIZE), tmp_path / "t.mp4", SETTINGS, cancelled)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_clip_leaves_nothing_behind(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "bad.mp4", frames=60, size=SIZE, options={"g": "12", "crf": "10"})
    footage = footage_of(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(data)
    spec = EpisodeSpec(scenes=(footage.scene,))
    segment = lay_out(spec, [footage.info.video.duration], Fraction(24)).segments[0]
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(DamagedMediaError):
        render(segment, [footage], spec, form_of(SIZE), folder / "a.mp4", SETTINGS)
    assert list(folder.iterdir()) == []


def test_the_same_segment_gives_the_same_pictures(tmp_path: Path, clips: list[Path]) -> None:
    footages = [footage_of(path) for path in clips]
    spec, line = episode(footages, "zoom")
    one, other = (
        made(line.segments[1], footages, spec, form_of(SIZE), tmp_path / name) for name in ("a.mp4", "b.mp4")
    )
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_two_clips_of_one_frame_make_an_episode(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "one.mp4", frames=1, size=SIZE)
    footages = [footage_of(clip), footage_of(clip)]
    spec, line = episode(footages, "cut")
    assert [numbers(shown(footage, form_of(SIZE))) for footage in footages] == [[0], [0]]
    for number, segment in enumerate(line.segments):
        assert len(made(segment, footages, spec, form_of(SIZE), tmp_path / f"{number}.out.mp4")) == 1


def test_a_segment_with_other_clips_than_its_own_is_refused(tmp_path: Path, clips: list[Path]) -> None:
    footages = [footage_of(path) for path in clips]
    spec, line = episode(footages)
    with pytest.raises(ContractError, match="was given 1 clips"):
        render(line.segments[1], footages[:1], spec, form_of(SIZE), tmp_path / "t.mp4", SETTINGS)
