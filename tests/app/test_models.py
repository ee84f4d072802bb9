import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sakuga.models.cards import DOWNLOADS
from sakuga.models.registry import model_names
from tests.app.test_terminal import in_terminal
from tests.assets import ASSETS, REPOSITORY
from tests.clips import make_clip
from tests.models import weights_server as servers
from tests.models.weights_server import serve, until

pytestmark = pytest.mark.slow

WITHOUT_TORCH = """
import sys
for name in ("torch", "spandrel"):
    sys.modules[name] = None
from app.cli import main
main()
"""
NOT_IMPORTING_TORCH = """
import sys
from app.cli import main
try:
    main()
finally:
    sys.stderr.write("torch imported" if "torch" in sys.modules else "")
"""
PLAIN = "from app.cli import main; main()"
ANIME = "realesr-animevideov3"
FILE = f"{ANIME}.pth"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def _run(
    home: Path, *arguments: str, code: str = NOT_IMPORTING_TORCH, mirror: str = ""
) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env=_environment(home, mirror),
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _environment(home: Path, mirror: str) -> dict[str, str]:
    return {**os.environ, "SAKUGA_HOME": str(home), "SAKUGA_MODEL_MIRROR": mirror}


@pytest.fixture
def official() -> str:
    """A mirror that holds one official file."""
    if not (ASSETS / "weights" / FILE).is_file():
        pytest.skip("the official weights are not here")
    return str(ASSETS / "weights")


def test_every_model_is_listed_with_what_a_choice_needs(home: Path) -> None:
    code, out, errors = _run(home, "models")
    assert (code, errors) == (0, "")
    for name in (*model_names(), "rife-4.25"):
        assert f"\n{name} " in out
    assert str(home / "models") in out
    assert "BSD-3-Clause" in out
    assert out == _run(home, "models", "list")[1]
    assert not home.exists()


def test_the_list_is_one_json_object_when_asked(home: Path) -> None:
    code, out, errors = _run(home, "models", "--json")
    listed = json.loads(out)
    assert (code, errors) == (0, "")
    assert set(listed) == {*model_names(), "rife-4.25"}
    assert listed["acnet-hdn0"]["state"] == "built in"
    assert listed[ANIME]["state"] == "absent"
    assert listed[ANIME]["files"][0]["bytes"] == 2504012
    assert listed["rife-4.25"]["scale"] is None


def test_a_machine_without_torch_is_told_what_runs_and_how_to_get_the_rest(home: Path) -> None:
    code, out, errors = _run(home, "models", code=WITHOUT_TORCH)
    assert (code, errors) == (0, "")
    assert "make models" in out
    listed = json.loads(_run(home, "models", "--json", code=WITHOUT_TORCH)[1])
    assert {name for name, model in listed.items() if not model["runs"]} == {c.name for c in DOWNLOADS}


def test_the_doctor_of_a_machine_without_torch_is_content_and_says_how_to_get_it(home: Path) -> None:
    code, out, errors = _run(home, "doctor", "--json", code=WITHOUT_TORCH)
    findings = json.loads(out)
    assert (code, errors) == (0, "")
    for package in ("torch", "spandrel"):
        assert not findings[package]["ok"]
        assert not findings[package]["needed"]
        assert "make models" in findings[package]["advice"]
    assert "devices" not in findings
    assert findings["weights"]["found"] == "none yet"


def test_weights_can_be_fetched_verified_and_removed_without_torch(home: Path, official: str) -> None:
    path = home / "models" / FILE
    code, out, _ = _run(home, "models", "fetch", ANIME, code=WITHOUT_TORCH, mirror=official)
    assert (code, out) == (0, f"{ANIME}: {path}\n")
    assert path.is_file()
    code, out, _ = _run(home, "models", "verify", code=WITHOUT_TORCH)
    assert code == 0
    assert f"present   {ANIME}: {path}" in out
    assert json.loads(_run(home, "models", "--json")[1])[ANIME]["state"] == "present"
    code, out, _ = _run(home, "models", "remove", ANIME, code=WITHOUT_TORCH)
    assert (code, out) == (0, f"removed   {path}\n")
    assert list(path.parent.iterdir()) == []
    assert _run(home, "models", "verify", ANIME)[0] == 1


def test_damaged_weights_are_found_by_every_command_and_replaced_by_fetch(home: Path, official: str) -> None:
    path = home / "models" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    code, out, _ = _run(home, "models", "verify", "--json")
    assert code == 1
    (verdict,) = json.loads(out)[ANIME]
    assert verdict["state"] == "damaged"
    assert verdict["found"] != verdict["expected"] == DOWNLOADS[0].weights[0].sha256
    assert json.loads(_run(home, "models", "--json")[1])[ANIME]["state"] == "damaged"
    finding = json.loads(_run(home, "doctor", "--json")[1])["weights"]
    assert (finding["ok"], finding["advice"]) == (False, f"Run: sakuga models fetch {ANIME}.")
    assert _run(home, "models", "fetch", ANIME, mirror=official)[0] == 0
    assert _run(home, "models", "verify", ANIME)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["fetch"],
        ["fetch", "no-such-model"],
        ["fetch", "../../etc/passwd"],
        ["fetch", ANIME, "--all"],
        ["verify", "no-such-model"],
        ["remove"],
        ["remove", "acnet-hdn0"],
        ["remove", "no-such-model"],
    ],
)
def test_what_is_no_model_is_refused_in_one_sentence(home: Path, arguments: list[str]) -> None:
    code, out, errors = _run(home, "models", *arguments)
    assert (code, out) == (2, "")
    assert len(errors.strip().splitlines()) == 1
    assert not home.exists()


def test_one_model_that_cannot_be_had_does_not_stop_the_others(home: Path, official: str) -> None:
    code, out, errors = _run(home, "models", "fetch", "realesrgan-x2plus", ANIME, mirror=official)
    assert code == 1
    assert out == f"{ANIME}: {home / 'models' / FILE}\n"
    assert "RealESRGAN_x2plus.pth" in errors
    assert "SAKUGA_MODEL_MIRROR" in errors


def test_a_wrong_file_at_a_mirror_is_one_json_event_and_a_refusal(home: Path) -> None:
    data = bytes(DOWNLOADS[0].weights[0].size or 0)
    with serve(data) as server:
        code, out, errors = _run(home, "models", "fetch", ANIME, "--json", mirror=server.address)
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, errors) == (2, "")
    assert events[0] | {"time": 0, "done": 0} == {
        "event": "download",
        "time": 0,
        "file": FILE,
        "done": 0,
        "total": len(data),
    }
    assert events[-1]["event"] == "failed"
    assert events[-1]["model"] == ANIME
    assert events[-1]["error"] == "WeightsError"
    assert list((home / "models").iterdir()) == []


def test_ctrl_c_stops_a_download_with_130_and_the_next_one_goes_on(home: Path, official: str) -> None:
    data = (Path(official) / FILE).read_bytes()
    part = home / "models" / f"{FILE}.part"
    with serve(data, servers.stalled) as server:
        with subprocess.Popen(
            [sys.executable, "-m", "app.cli", "models", "fetch", ANIME],
            cwd=REPOSITORY,
            env=_environment(home, server.address),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            until(lambda: part.exists() and part.stat().st_size == len(data) // 2)
            process.send_signal(signal.SIGINT)
            # a signal just before a read begins is heard when that read gives up
            errors = process.communicate(timeout=120)[1]
        assert process.returncode == 130
        assert "the next download goes on from there" in errors
        assert "Traceback" not in errors
        server.answer = servers.ranged
        assert _run(home, "models", "fetch", ANIME, mirror=server.address)[0] == 0
        assert server.ranges == [None, f"bytes={len(data) // 2}-"]


def test_a_person_sees_a_bar_with_bytes_and_then_where_the_file_is(
    home: Path, official: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve((Path(official) / FILE).read_bytes()) as server:
        server.pause = 0.02
        monkeypatch.setenv("SAKUGA_MODEL_MIRROR", server.address)
        code, shown = in_terminal(home, "models", "fetch", ANIME)
    assert code == 0, shown
    assert re.search(rf"{re.escape(FILE)} .*\d/2\.5 MB", shown)
    assert str(home / "models" / FILE) in shown


def test_removing_everything_where_nothing_is_says_so(home: Path) -> None:
    code, out, errors = _run(home, "models", "remove", "--all")
    assert (code, out, errors) == (0, f"There are no weights in {home / 'models'}.\n", "")


def test_a_checkpoint_that_cannot_be_used_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    clip, damaged, home = make_clip(tmp_path / "clip.mp4"), tmp_path / "own.pth", tmp_path / "home"
    damaged.write_bytes(b"PK\x03\x04 and no more")
    code, out, errors = _run(home, "enhance", str(clip), "--model", str(damaged))
    assert (code, out) == (2, "")
    assert "own.pth" in errors
    assert "Chunk" not in errors
    assert not (home / "prefect").exists()


@pytest.mark.parametrize(
    ("mirror", "expected", "words"),
    [("{here}", 1, ["{here}", FILE]), ("ftp://here/weights", 2, ["ftp://here", "SAKUGA_MODEL_MIRROR"])],
)
def test_a_mirror_that_cannot_have_the_weights_is_refused_before_anything_is_started(
    tmp_path: Path, mirror: str, expected: int, words: list[str]
) -> None:
    pytest.importorskip("torch")
    home, here = tmp_path / "home", tmp_path / "mirror"
    here.mkdir()
    clip = make_clip(tmp_path / "clip.mp4")
    address = mirror.format(here=here)
    code, out, errors = _run(home, "enhance", str(clip), "--model", ANIME, code=PLAIN, mirror=address)
    assert (code, out) == (expected, "")
    assert [word for word in words if word.format(here=here) not in errors] == []
    assert len(errors.strip().splitlines()) == 1
    assert not (home / "prefect").exists()


def test_damaged_weights_are_refused_before_anything_is_started(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "home" / "models" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    clip = make_clip(tmp_path / "clip.mp4")
    code, out, errors = _run(tmp_path / "home", "enhance", str(clip), "--model", ANIME)
    assert (code, out) == (2, "")
    assert f"sakuga models fetch {ANIME}" in errors
    assert not (tmp_path / "home" / "prefect").exists()


@pytest.mark.slow
def test_a_server_without_the_weights_fails_the_job_which_says_that_it_tried(
    home: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    clip = make_clip(tmp_path / "clip.mp4")
    with serve(b"", servers.error(404)) as server:
        code, out, errors = _run(home, "enhance", str(clip), "--model", ANIME, mirror=server.address)
    assert (code, out) == (1, "")
    assert errors.count("downloading weights") == 1
    assert errors.index("downloading weights") < errors.index(FILE)
    assert "404" in errors
    assert list(tmp_path.glob("clip.sakuga*")) == []


def test_the_documentation_names_every_model() -> None:
    page = (REPOSITORY / "docs" / "models.md").read_text()
    missing = [card.name for card in DOWNLOADS if f"`{card.name}`" not in page]
    assert missing == []
