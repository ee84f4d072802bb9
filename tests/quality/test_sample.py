"""A long result is looked at in windows that are spread over it, cheap to reach and always the same."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sakuga.quality.sample import SAMPLES, WHOLE, WINDOWS, choose_samples, choose_windows
from tests.clips import Rgb, make_clip
from tests.quality.jobs import Job, enlarged, job_for, lively, result_of

LONG = 1500
SPOILT = LONG - 3


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    settings = {"preset": "ultrafast", "g": "50"}
    return job_for(make_clip(path, frames=LONG, size=(64, 48), draw=lively, options=settings))


def test_a_short_result_is_looked_at_whole(tmp_path: Path) -> None:
    short = job_for(make_clip(tmp_path / "s.mp4", frames=10))
    assert choose_windows(short.plan, np.ones(10, np.bool_)) == ((0, 10),)


def test_windows_are_in_order_apart_and_reach_the_first_and_the_last_frame(job: Job) -> None:
    keyframe = np.zeros(LONG, np.bool_)
    keyframe[::48] = True
    windows = choose_windows(job.plan, keyframe)
    assert len(windows) == WINDOWS
    assert windows[0][0] == 0
    assert windows[-1][1] == LONG
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(windows))
    assert sum(end - first for first, end in windows) <= WHOLE
    assert all(keyframe[first] for first, _ in windows[1:-1])


def test_a_result_with_one_keyframe_is_still_looked_at_everywhere(job: Job) -> None:
    keyframe = np.zeros(LONG, np.bool_)
    keyframe[0] = True
    windows = choose_windows(job.plan, keyframe)
    gaps = [b[0] - a[1] for a, b in itertools.pairwise(windows)]
    assert max(gaps) < LONG / WINDOWS * 2


def test_samples_hold_the_first_and_the_last_frame(job: Job) -> None:
    windows = choose_windows(job.plan, np.ones(LONG, np.bool_))
    samples = choose_samples(job.plan, windows, mixed=False)
    assert len(samples) == SAMPLES
    assert {0, LONG - 1} <= samples


def test_frames_that_show_one_film_frame_are_preferred(tmp_path: Path) -> None:
    job = job_for(make_clip(tmp_path / "s.mp4", frames=48), fps=Fraction(60))
    chosen = choose_samples(job.plan, ((0, len(job.plan.times)),), mixed=False)
    assert {job.plan.weight[frame] for frame in chosen} == {0}


@pytest.mark.slow
def test_damage_in_the_last_frames_of_a_long_result_is_found(job: Job, tmp_path: Path) -> None:
    drawn = enlarged()

    def spoilt(number: int, width: int, height: int) -> Rgb:
        return drawn(number, width, height) * np.uint8(number != SPOILT)

    assert job.failures(result_of(job, tmp_path / "good.mp4")) == set()
    assert "Black frames not in the source" in job.failures(result_of(job, tmp_path / "bad.mp4", spoilt))
