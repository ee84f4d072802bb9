"""The report, the contact sheet and the waveform of an episode say what is in it."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from sakuga.episode.report import EpisodeReport, EpisodeWork, build_report
from sakuga.episode.sheet import LEAST, fitted, latin, middle, scene_sheet
from sakuga.episode.waveform import TARGET, draw_waveform, per_column
from sakuga.media.probe import probe
from sakuga.quality.check import Check
from sakuga.quality.drawing import GAP, LINE, MARGIN
from sakuga.quality.report import Stage, file_facts
from sakuga.settings import Limits
from tests.clips import read_number
from tests.episode.finished import Finished, finish

ODD = "a | b\n# [c](d) `e` <f> 'g' \"h\""


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    spec = {"title": ODD, "on_missing": "placeholder", "output": {"loudness": -20, "preset": "ultrafast"}}
    clips: list[dict[str, Any]] = [
        {"title": ODD, "id": "opening", "transition": {"kind": "cut"}},
        {"transition": {"kind": "wipe", "seconds": "1/4"}, "takes": [{"clip": "old.mp4"}]},
        {"mute": True},
    ]
    return finish(tmp_path_factory.mktemp("episode"), spec, clips)


def report_of(episode: Finished, checks: tuple[Check, ...]) -> EpisodeReport:
    info = probe(episode.result, Limits()).info
    return build_report(
        spec=episode.spec,
        timeline=episode.timeline,
        footages=episode.footages,
        result=file_facts("folder/episode.mp4", 1000, "0" * 64, info),
        mixed=episode.mixed,
        work=EpisodeWork(segments=4, encoded=1, copied=2, cached=1, encoded_frames=6, copied_frames=94),
        stages=(Stage(name="render", seconds=3.2),),
        checks=checks,
        notes=("The scene 'lost' was skipped: its clip is missing.",),
    )


def cells(line: str) -> int:
    return line.replace("\\|", "").count("|") - 1


def test_the_first_line_is_the_verdict(episode: Finished) -> None:
    good = Check(name="Good", value="1", bound="1", passed=True)
    bad = Check(name="Bad", value="2", bound="1", passed=False, detail="here")
    assert report_of(episode, (good,)).to_markdown().startswith("# Passed: episode.mp4\n")
    failed = report_of(episode, (good, bad))
    assert not failed.passed
    assert failed.failed == (bad,)
    assert failed.to_markdown().startswith("# Failed: episode.mp4\n\n1 of 2 checks failed: Bad.")
    assert "| **FAILED** | Bad | 2 | 1 | here |" in failed.to_markdown()


def test_a_report_without_checks_has_not_passed(episode: Finished) -> None:
    assert not report_of(episode, ()).passed


def test_the_report_says_what_was_done(episode: Finished) -> None:
    text = report_of(episode, episode.audit().checks).to_markdown()
    assert "3 scenes, joined by 1 cut and 1 wipe transition, 138 frames at 24 fps." in text
    assert "4 segments: 1 encoded, 2 copied from clips, 1 taken from the cache (94 % of the frames" in text
    assert "The scene 'lost' was skipped: its clip is missing." in text
    assert "| 1 | opening | 0:00.00 | 2.0 s |" in text
    assert "on\\_missing" in text or "on_missing = placeholder" in text


def test_nothing_in_a_name_breaks_out_of_its_cell(episode: Finished) -> None:
    lines = report_of(episode, episode.audit().checks).to_markdown().splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) > 20
    head = 0
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            head = cells(line) if not before.startswith("|") else head
            assert cells(line) == head, line
    assert not any(line.startswith("# [c]") for line in lines)


def test_the_report_is_the_same_as_json(episode: Finished, tmp_path: Path) -> None:
    report = report_of(episode, episode.audit().checks)
    path = report.to_json(tmp_path / "report.json")
    assert EpisodeReport.model_validate_json(path.read_text()) == report
    assert json.loads(path.read_text())["scenes"][1]["start"] == "2"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_the_report_names_no_folder(episode: Finished) -> None:
    report = report_of(episode, episode.audit().checks)
    for text in (report.to_markdown(), report.model_dump_json()):
        assert str(episode.folder) not in text


def test_a_sheet_has_a_picture_of_each_scene(episode: Finished, tmp_path: Path) -> None:
    path = scene_sheet(episode.result, episode.spec.title, episode.timeline, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(path))
    packets = probe(episode.result, Limits()).packets
    top = MARGIN + 2 * LINE + GAP
    for number, placed in enumerate(episode.timeline.scenes):
        left = MARGIN + number * (LEAST + GAP)
        shown = read_number(sheet[top : top + 48, left : left + 64, 1])
        assert shown == middle(placed, packets) - placed.first
    assert [each.name for each in tmp_path.iterdir()] == ["sheet.png"]


def test_the_picture_of_a_scene_is_its_own(episode: Finished) -> None:
    packets = probe(episode.result, Limits()).packets
    for placed in episode.timeline.scenes:
        frame = middle(placed, packets)
        assert placed.first + placed.before <= frame < placed.first + placed.frames - placed.after


def test_what_the_font_has_no_letters_for_is_not_drawn_as_boxes() -> None:
    assert latin("Ünïcode 日本\n") == "Ünïcode ?? "


def test_a_long_name_is_cut_to_its_place() -> None:
    draw = ImageDraw.Draw(Image.new("RGB", (10, 10)))
    font = ImageFont.load_default(13)
    text = fitted(draw, "x" * 200, font, 100)
    assert text.endswith("...")
    assert draw.textlength(text, font) <= 100
    assert fitted(draw, "short", font, 100) == "short"


def test_a_waveform_shows_the_target_and_where_it_is_loud(episode: Finished, tmp_path: Path) -> None:
    heard = episode.audit().heard
    assert heard is not None
    path = draw_waveform(heard, episode.timeline, episode.spec.output, tmp_path / "wave.png")
    image = np.asarray(Image.open(path))
    assert (image == TARGET).all(axis=2).any()
    wave = image[60:210, 70:1250].max(axis=2) > 80
    # the last scene is mute
    assert wave[:, :700].mean() > 5 * wave[:, 1100:].mean()


@pytest.mark.parametrize("spans", [1, 7, 1000, 5000])
def test_no_peak_is_lost_between_columns(spans: int) -> None:
    levels = np.zeros(spans, np.float32)
    levels[spans // 2] = 1
    drawn = per_column(levels, spans, 1000)
    assert len(drawn) == 1000
    assert drawn.max() == 1
    assert abs(np.flatnonzero(drawn).mean() / 1000 - 0.5) <= max(0.5 / spans, 0.01)


def test_levels_beyond_the_end_are_not_drawn() -> None:
    assert per_column(np.ones(20, np.float32), 10, 10).tolist() == [1.0] * 10
    assert per_column(np.ones(5, np.float32), 10, 10).tolist() == [1.0] * 5 + [0.0] * 5


def test_seconds_are_exact_in_the_report(episode: Finished) -> None:
    rows = report_of(episode, ()).scenes
    assert [row.start for row in rows] == [Fraction(0), Fraction(2), Fraction(15, 4)]
    assert rows[1].takes == 1
