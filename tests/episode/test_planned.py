"""Planned pictures are the same one by one, in one go, and as they are encoded."""

from typing import Any

import pytest

from sakuga.episode.planned import Plans
from tests.episode.finished import SETTINGS, Finished, finish


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    clips: list[dict[str, Any]] = [
        {"titles": [{"text": "Now", "at": "1/4", "seconds": "1/2", "fade": "1/8"}], "end": "1"},
        {"end": "1", "transition": {"kind": "cut"}},
        {"placeholder": True, "end": "1/2"},
    ]
    spec = {
        "transition": {"kind": "slide", "seconds": "1/4"},
        "credits": {"lines": ["A", "B"], "seconds": "1/2"},
        "output": {"preset": "ultrafast", "codec": "h264", "quality": 0},
    }
    return finish(tmp_path_factory.mktemp("episode"), spec, clips)


def plans(episode: Finished) -> Plans:
    return Plans(episode.footages, episode.spec, episode.form, SETTINGS)


def test_pictures_one_by_one_are_those_in_one_go(episode: Finished) -> None:
    with plans(episode) as made:
        for segment in episode.timeline.segments:
            planned = made.of(segment)
            whole = list(planned.read(0, segment.frames))
            assert len(whole) == segment.frames
            for number, picture in enumerate(whole):
                assert planned.picture(number).same_as(picture)


def test_pictures_can_be_had_backwards_too(episode: Finished) -> None:
    segment = episode.timeline.segments[0]
    with plans(episode) as made:
        planned = made.of(segment)
        whole = list(planned.read(0, segment.frames))
        for number in reversed(range(segment.frames)):
            assert planned.picture(number).same_as(whole[number])


def test_what_is_encoded_is_what_is_planned(episode: Finished) -> None:
    looks = episode.audit().looks
    seams = [seam for look in looks for seam in look.seams]
    kinds = {segment.kind for segment in episode.timeline.segments}
    assert kinds == {"plain", "titled", "transition", "credits"}
    assert min(seam.psnr for seam in seams) > 40


def test_a_segment_of_a_scene_goes_on_to_the_ends_of_the_scene(episode: Finished) -> None:
    with plans(episode) as made:
        for segment in episode.timeline.segments:
            planned = made.of(segment)
            if segment.kind in ("plain", "titled"):
                span = segment.spans[0]
                frames = episode.footages[span.scene].frames
                assert (planned.low, planned.high) == (-span.first, frames - span.first)
            else:
                assert (planned.low, planned.high) == (0, segment.frames)
