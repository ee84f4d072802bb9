"""Any episode keeps its times through the flow as well, with its cache and its steps."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from flows.episode import episode
from sakuga.episode.plan import Found, plan_episode
from sakuga.episode.spec import EpisodeSpec
from tests.episode.any_plan import CLIPS, plans
from tests.episode.contract import check_times
from tests.episode.whole import SETTINGS, found_clips

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "sakuga_home")]


@pytest.fixture
def clips(tmp_path: Path) -> dict[str, Found]:
    return found_clips({clip.name: clip.write(tmp_path) for clip in CLIPS})


@settings(max_examples=5, derandomize=True, suppress_health_check=list(HealthCheck))
@given(spec=plans())
def test_any_plan_keeps_its_times_through_the_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: dict[str, Found], spec: EpisodeSpec
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = plan_episode(spec, [clips[scene.clip] for scene in spec.scenes], SETTINGS.limits)
    outcome = episode(spec, output=str(tmp_path / f"any.{spec.output.container}"), overwrite=True)
    assert json.loads(Path(outcome.report).read_text())["passed"]
    check_times(spec, Path(outcome.result), plan)
