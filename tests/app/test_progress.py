"""What the terminal says of a source."""

from pathlib import Path

import pytest

from app.progress import TerminalReporter, said_once


def test_a_refusal_names_its_source_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "in" / "sound.mp4"
    assert said_once(source, f"{source} has no video stream.") == "in/sound.mp4 has no video stream."
    assert said_once(source, f"{str(source)!r} is taken.") == "'in/sound.mp4' is taken."


def test_a_source_elsewhere_keeps_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    source = tmp_path / "sound.mp4"
    assert said_once(source, f"{source} has no video stream.") == f"{source} has no video stream."


def test_a_failure_that_does_not_name_its_source_gets_its_name(tmp_path: Path) -> None:
    assert said_once(tmp_path / "a.mp4", "The disk is full.") == "a.mp4: The disk is full."


def test_no_name_steers_the_terminal() -> None:
    assert said_once(Path("/a/\x1b[2Jb\n.mp4"), "The disk is full.") == " [2Jb .mp4: The disk is full."


def test_a_stage_that_is_told_of_again_and_again_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalReporter(bar=False) as reporter:
        for name in ("a.mp4", "b.mp4"):
            reporter.event(Path(name), "started", {"output": "out"})
            for stage in ("read", "read", "publish", "publish"):
                reporter.event(Path(name), "stage", {"stage": stage})
    lines = ["  reading", "  publishing"]
    assert capsys.readouterr().err.splitlines() == ["a.mp4 -> out", *lines, "b.mp4 -> out", *lines]


def test_what_did_not_come_out_as_asked_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalReporter(bar=False) as reporter:
        reporter.event(Path("a.yaml"), "note", {"text": "The scene 'two' was skipped."})
    assert capsys.readouterr().err == "  note: The scene 'two' was skipped.\n"
