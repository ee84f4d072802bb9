import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clips import make_clip

REFUSED_WITHIN = 3.0
"""A refusal takes well under a second; the rest is room for a busy machine."""

WITHOUT_PREFECT = """
import sys
from app.cli import main
try:
    main()
finally:
    sys.stderr.write("prefect imported" if "prefect" in sys.modules else "")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def _run(home: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PREFECT, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "SAKUGA_HOME": str(home)},
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["enhance", "missing.mp4"],
        ["enhance", "text.mp4"],
        ["enhance", "clip.mp4", "--scale", "5"],
        ["enhance", "clip.mp4", "--model", "no-such-model"],
        ["enhance", "clip.mp4", "--hardware", "videotoolbox"],
        ["enhance", "clip.mp4", "-o", "clip.mp4", "--overwrite"],
        ["enhance", "clip.mp4", "--no-such-flag"],
        ["probe", "text.mp4"],
    ],
)
def test_what_cannot_be_done_is_refused_before_prefect_is_started(
    tmp_path: Path, home: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mp4", frames=2)
    (tmp_path / "text.mp4").write_text("no video")
    before = sorted(tmp_path.rglob("*"))
    began = time.monotonic()
    code, _, errors = _run(home, *arguments)
    assert time.monotonic() - began < REFUSED_WITHIN
    assert code == 2
    assert errors.strip()
    assert "Traceback" not in errors
    assert "prefect imported" not in errors
    assert sorted(tmp_path.rglob("*")) == before


def test_a_wrong_setting_is_refused_by_its_name(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAKUGA_WORKERS", "many")
    code, _, errors = _run(home, "enhance", str(make_clip(tmp_path / "clip.mp4", frames=2)))
    assert code == 2
    assert "workers" in errors.lower()


def test_a_refusal_is_one_json_object_when_asked(tmp_path: Path, home: Path) -> None:
    code, out, _ = _run(home, "enhance", str(tmp_path / "missing.mp4"), "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert [(event["event"], event["exit_code"]) for event in events] == [("failed", 2)]
    assert code == 2


def test_help_and_probe_do_without_prefect(tmp_path: Path, home: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5, audio_seconds=1)
    code, out, errors = _run(home, "probe", str(clip), "--json")
    assert (code, errors) == (0, "")
    assert json.loads(out)["video"]["frames"] == 5
    code, out, errors = _run(home, "probe", str(clip))
    assert (code, errors) == (0, "")
    assert "96x64" in out
    code, out, errors = _run(home, "--help")
    assert (code, errors) == (0, "")
    assert "enhance" in out


def test_the_doctor_finds_what_is_needed_here(home: Path) -> None:
    code, out, _ = _run(home, "doctor", "--json")
    findings = json.loads(out)
    assert code == 0
    assert {"ffmpeg", "models", "prefect", "folder scratch", "encoder libx264"} <= set(findings)
    assert all(finding["advice"] for finding in findings.values() if not finding["ok"])


def test_the_doctor_says_how_to_get_what_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFMPEG_PATH", "/nowhere/ffmpeg")
    code, out, _ = _run(home, "doctor")
    assert code == 1
    assert "MISSING" in out
    assert "FFMPEG_PATH" in out


@pytest.mark.slow
def test_one_bad_source_does_not_stop_the_others(tmp_path: Path, home: Path) -> None:
    good = make_clip(tmp_path / "good.mp4", frames=6)
    (tmp_path / "bad.mp4").write_text("no video")
    code, out, _ = _run(
        home,
        "enhance",
        str(tmp_path / "bad.mp4"),
        str(good),
        "--json",
        "--model",
        "lanczos",
        "-o",
        str(tmp_path / "o"),
    )
    events = [json.loads(line) for line in out.splitlines()]
    ends = [(Path(e["input"]).name, e["event"]) for e in events if e["event"] in ("failed", "finished")]
    assert ends == [("bad.mp4", "failed"), ("good.mp4", "finished")]
    assert code == 2
    assert (tmp_path / "o" / "good.sakuga.mp4").exists()


@pytest.mark.slow
def test_cleaning_keeps_what_is_young(home: Path) -> None:
    chunk = home / "store" / "chunks" / "ab" / f"{'ab' * 32}.mp4"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(b"chunk")
    code, out, _ = _run(home, "clean", "--all")
    assert code == 0
    assert chunk.exists()
    os.utime(chunk, (1, 1))
    code, out, _ = _run(home, "clean")
    assert code == 0
    assert not chunk.exists()
    assert "removed: 1" in out


@pytest.mark.slow
def test_the_same_command_again_does_nothing_and_another_one_never_replaces_a_result(
    tmp_path: Path, home: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=6)
    command = ["enhance", str(clip), "--model", "lanczos", "--json"]
    assert _run(home, *command)[0] == 0
    result = tmp_path / "clip.sakuga.mp4"
    made = result.stat()
    # as a run leaves it that was killed after its last step
    (home / "scratch" / "run-1").mkdir()
    (home / "scratch" / "run-1.lock").touch()

    code, out, _ = _run(home, *command)
    assert (code, [json.loads(line)["event"] for line in out.splitlines()]) == (0, ["skipped"])
    assert list((home / "scratch").iterdir()) == []
    assert _run(home, *command, "--quality", "30")[0] == 2
    assert result.stat().st_mtime_ns == made.st_mtime_ns

    result.write_bytes(result.read_bytes()[:-1])
    assert _run(home, *command)[0] == 2


def test_a_home_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=2)
    blocked = tmp_path / "file.txt"
    blocked.write_text("not a folder")
    code, _, said = _run(blocked, "enhance", str(clip), "--model", "lanczos")
    assert code == 1
    assert "SAKUGA_HOME" in said
    assert "Traceback" not in said
