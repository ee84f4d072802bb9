import json
import re
from pathlib import Path
from typing import Any

import pytest

from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.acceptance.jobs import FAST, failures_in, report_of, result_of, sakuga
from tests.assets import ASSETS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not ASSETS.is_dir(), reason="the folder of real clips is not here"),
]
SMALL, MEDIUM = 20e6, 60e6
"""Samples of a whole clip up to which it is enhanced by the default model, and up to which made larger."""
REFUSAL_CPU = 1.0
BROKEN = {
    "truncated.webm": 2,
    "zero_bytes.mp4": 2,
    "not_a_video.mp4": 2,
    "audio_only.mp4": 2,
    "decord_corrupted.mp4": 1,
}
"""Exit code of each broken file: what packets show is refused, what only decoding shows fails."""


def samples(path: Path) -> int:
    video = probe(path, Limits()).info.video
    return video.width * video.height * video.frames


def check(sources: list[Path], out: Path, home: Path, *options: str) -> None:
    assert sources
    done = sakuga("enhance", *sources, "-o", out, *options, home=home)
    assert done.code == 0, done.said
    found = {source.name: report_of(result_of(source, out)) for source in sources}
    assert {name: failures_in(report) for name, report in found.items() if not report["passed"]} == {}


def videos(least: float, most: float) -> list[Path]:
    return [path for path in sorted((ASSETS / "video").iterdir()) if least <= samples(path) < most]


def test_small_real_clips_pass_every_check_with_the_default_model(tmp_path: Path, home: Path) -> None:
    check(videos(0, SMALL), tmp_path, home)


def test_medium_real_clips_pass_every_check_half_as_large_again(tmp_path: Path, home: Path) -> None:
    check(videos(SMALL, MEDIUM), tmp_path, home, *FAST, "--scale", "3/2")


def test_large_real_clips_pass_every_check(tmp_path: Path, home: Path) -> None:
    check(videos(MEDIUM, float("inf")), tmp_path, home, *FAST, "--scale", "1")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gets_its_clear_refusal(tmp_path: Path, home: Path, name: str) -> None:
    ended = sakuga("enhance", ASSETS / "broken" / name, "-o", tmp_path, *FAST, home=home)
    assert ended.code == BROKEN[name], ended.said
    assert name in ended.err + ended.out
    assert "Traceback" not in ended.err
    assert not list(tmp_path.iterdir())
    if ended.code == 2:
        assert ended.cpu < REFUSAL_CPU


def salvaged(name: str, out: Path, home: Path) -> dict[str, Any]:
    source = ASSETS / "broken" / name
    ended = sakuga("enhance", source, "-o", out, *FAST, "--scale", "1", "--salvage", home=home)
    assert ended.code == 0, ended.said
    return report_of(result_of(source, out))


def test_a_truncated_file_is_salvaged_and_its_report_says_where_it_ends(tmp_path: Path, home: Path) -> None:
    report = salvaged("truncated.webm", tmp_path, home)
    assert report["passed"]
    (cut,) = (sentence for sentence in report["done"] if "ends too early" in sentence)
    assert re.search(r"about \d+ frames after 9.833 s are missing", cut)
    assert report["work"]["concealed"] + report["work"]["lost_frames"] > 0
    assert "--salvage" not in cut
    assert str(ASSETS) not in json.dumps(report)


def test_a_damaged_file_is_salvaged_and_its_report_counts_the_damage(tmp_path: Path, home: Path) -> None:
    report = salvaged("decord_corrupted.mp4", tmp_path, home)
    assert report["passed"]
    assert report["work"]["concealed"] + report["work"]["lost_frames"] > 0
