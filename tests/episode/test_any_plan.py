"""Any episode keeps its times."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sakuga.episode.plan import Found
from sakuga.episode.spec import EpisodeSpec
from tests.episode.any_plan import CLIPS, plans
from tests.episode.contract import check_times
from tests.episode.whole import found_clips, make_whole


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    folder = tmp_path_factory.mktemp("clips")
    return found_clips({clip.name: clip.write(folder) for clip in CLIPS})


def check(spec: EpisodeSpec, clips: dict[str, Found]) -> None:
    """Make the episode and hold it to the timing contract."""
    with tempfile.TemporaryDirectory() as name:
        made = make_whole(spec, clips, Path(name))
        assert not made.faults, made.faults
        check_times(spec, made.result, made.plan)


@settings(max_examples=8, derandomize=True, suppress_health_check=list(HealthCheck))
@given(spec=plans())
def test_any_plan_keeps_its_times(clips: dict[str, Found], spec: EpisodeSpec) -> None:
    check(spec, clips)


@pytest.mark.slow
@settings(max_examples=14, derandomize=True, suppress_health_check=list(HealthCheck))
@given(spec=plans())
def test_many_plans_keep_their_times(clips: dict[str, Found], spec: EpisodeSpec) -> None:
    check(spec, clips)
