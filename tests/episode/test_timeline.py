"""The timing contract of episodes, for any plan."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.spec import Credits, EpisodeSpec, Scene, Title, Transition
from sakuga.episode.timeline import Timeline, lay_out, nearest_frame, timing_problems, title_spans
from sakuga.errors import OptionError

RATES = [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60), Fraction(10)]
KINDS = ["cut", "crossfade", "fade-black", "fade-white", "wipe", "slide", "zoom"]

seconds = st.fractions(min_value=Fraction(1, 100), max_value=20, max_denominator=1001)
transitions = st.builds(
    Transition,
    kind=st.sampled_from(KINDS),
    seconds=st.fractions(min_value=Fraction(1, 100), max_value=2, max_denominator=100),
)
titles = st.builds(Title, text=st.just("Words"), at=seconds, seconds=seconds, fade=st.just(Fraction(0)))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    start = draw(st.fractions(min_value=0, max_value=5, max_denominator=100))
    return Scene(
        clip="clip.mp4",
        start=start,
        end=draw(st.none() | seconds.map(lambda length: start + length)),
        speed=draw(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(3, 2), Fraction(4)])),
        title=draw(st.none() | st.just("Chapter")),
        titles=tuple(draw(st.lists(titles, max_size=2))),
        transition=draw(st.none() | transitions),
    )


@st.composite
def episodes(draw: st.DrawFn) -> tuple[EpisodeSpec, list[Fraction], Fraction]:
    spec = EpisodeSpec(
        scenes=tuple(draw(st.lists(scenes(), min_size=1, max_size=8))),
        transition=draw(transitions),
        credits=draw(st.none() | st.just(Credits(lines=("A name",), seconds=Fraction(3)))),
    )
    durations = draw(st.lists(seconds, min_size=len(spec.scenes), max_size=len(spec.scenes)))
    return spec, durations, draw(st.sampled_from(RATES))


def laid_out(episode: tuple[EpisodeSpec, list[Fraction], Fraction]) -> Timeline | None:
    """The timeline of those that can be done; the others are refused."""
    if timing_problems(*episode):
        with pytest.raises(OptionError):
            lay_out(*episode)
        return None
    return lay_out(*episode)


@given(episodes())
def test_segments_follow_each_other_from_the_first_frame_to_the_last(
    episode: tuple[EpisodeSpec, list[Fraction], Fraction],
) -> None:
    if line := laid_out(episode):
        assert line.segments[0].first == 0
        assert line.segments[-1].last == line.frames
        assert all(one.last == after.first for one, after in pairwise(line.segments))
        assert all(segment.frames > 0 for segment in line.segments)


@given(episodes())
def test_an_episode_is_as_long_as_its_scenes_less_what_they_share(
    episode: tuple[EpisodeSpec, list[Fraction], Fraction],
) -> None:
    spec, durations, rate = episode
    if line := laid_out(episode):
        wanted = Fraction(0)
        for scene, duration in zip(spec.scenes, durations, strict=True):
            end = duration if scene.end is None else min(scene.end, duration)
            wanted += (end - scene.start) / scene.speed
        wanted += spec.credits.seconds if spec.credits else 0
        shared = sum(placed.after for placed in line.scenes)
        # each scene, and the credits, is rounded to a frame, and is one frame at least
        assert abs(line.frames + shared - wanted * rate) <= len(spec.scenes) + 1


@given(episodes())
def test_every_frame_of_every_scene_is_in_exactly_one_segment(
    episode: tuple[EpisodeSpec, list[Fraction], Fraction],
) -> None:
    if line := laid_out(episode):
        for index, placed in enumerate(line.scenes):
            spans = [span for segment in line.segments for span in segment.spans if span.scene == index]
            frames = [frame for span in spans for frame in range(span.first, span.last)]
            assert frames == list(range(placed.frames))


@given(episodes())
def test_a_frame_of_a_scene_is_shown_when_its_scene_says(
    episode: tuple[EpisodeSpec, list[Fraction], Fraction],
) -> None:
    if line := laid_out(episode):
        for segment in line.segments:
            for span in segment.spans:
                assert span.last - span.first == segment.frames
                assert line.scenes[span.scene].first + span.first == segment.first


@given(episodes())
def test_chapters_begin_with_their_scenes_and_leave_no_gap(
    episode: tuple[EpisodeSpec, list[Fraction], Fraction],
) -> None:
    spec, _, rate = episode
    if line := laid_out(episode):
        titled = [placed.first for scene, placed in zip(spec.scenes, line.scenes, strict=True) if scene.title]
        starts = [chapter.start * rate for chapter in line.chapters]
        assert [start for start in starts if start in titled] == titled
        if titled:
            assert starts[0] == 0
            assert line.chapters[-1].end == line.duration
            assert all(one.end == after.start for one, after in pairwise(line.chapters))


@given(episodes())
def test_titled_frames_are_those_of_the_titles(
    episode: tuple[EpisodeSpec, list[Fraction], Fraction],
) -> None:
    spec, _, rate = episode
    if line := laid_out(episode):
        for segment in line.segments:
            if segment.kind in ("plain", "titled"):
                span = segment.spans[0]
                shown = title_spans(spec.scenes[span.scene], line.scenes[span.scene].frames, rate)
                over = any(begin < span.last and span.first < end for begin, end in shown)
                assert over == (segment.kind == "titled")


def two(seconds: Fraction, transition: Transition, rate: int = 24) -> Timeline:
    spec = EpisodeSpec(scenes=(Scene(clip="a"), Scene(clip="b")), transition=transition)
    return lay_out(spec, [seconds, seconds], Fraction(rate))


def test_two_clips_of_one_frame_can_be_cut_and_not_faded() -> None:
    assert two(Fraction(1, 24), Transition()).frames == 2
    with pytest.raises(OptionError, match=r"scene-1.*has 1 frames"):
        two(Fraction(1, 24), Transition(kind="crossfade", seconds=Fraction(1)))


def test_a_crossfade_of_whole_clips_leaves_nothing_but_itself() -> None:
    line = two(Fraction(1), Transition(kind="crossfade", seconds=Fraction(1)))
    assert [(segment.kind, segment.frames) for segment in line.segments] == [("transition", 24)]


def test_a_scene_that_begins_after_its_clip_is_named() -> None:
    spec = EpisodeSpec(scenes=(Scene(clip="a", start=Fraction(5)),))
    with pytest.raises(OptionError, match=r"'scene-1' begins at 5 s.*ends at 4 s"):
        lay_out(spec, [Fraction(4)], Fraction(24))


@pytest.mark.parametrize(
    ("time", "frame"), [(Fraction(0), 0), (Fraction(1, 48), 1), (Fraction(1, 49), 0), (Fraction(3, 48), 2)]
)
def test_the_nearest_frame_is_the_later_of_two(time: Fraction, frame: int) -> None:
    assert nearest_frame(time, Fraction(24)) == frame
