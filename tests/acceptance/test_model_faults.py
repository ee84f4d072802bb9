"""Jobs with networks when something is wrong: bad weights, little memory, a kill, no internet."""

import functools
import http.server
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("torch")

import torch

from flows.enhance import enhance
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import WeightsError
from sakuga.models.registry import unload
from tasks.channel import Channel, open_channel
from tests.acceptance.jobs import (
    environment,
    failures_in,
    make_chunks,
    report_of,
    result_of,
    sakuga,
)
from tests.acceptance.networks import compact, rrdb, tamed, write
from tests.assets import ASSETS, REPOSITORY
from tests.clips import decoded_lumas, make_clip, read_number
from tests.models.states import compact_state

pytestmark = pytest.mark.slow

WEIGHTS = ASSETS / "weights"
MODEL = "realesr-animevideov3"
official = pytest.mark.skipif(
    not (WEIGHTS / f"{MODEL}.pth").is_file(), reason="the official weights are not here"
)
SPEC = {"device": "cpu", "quality": 0, "preset": "ultrafast", "reuse": "off"}
FRAMES = 24
WAIT = 60.0
"""Seconds for what takes one or two on a machine that does nothing else."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    return make_clip(folder / "clip.mp4", frames=FRAMES, size=(64, 48), options={"g": "6", "bf": "0"})


class Code:
    """An object whose pickle wants a program to be run."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def bad_weights(kind: str, folder: Path) -> Path:
    whole = write(folder, "whole.pth", compact())
    path = folder / f"{kind}.pth"
    if kind == "truncated":
        path.write_bytes(whole.read_bytes()[:-2000])
    elif kind == "truncated-tensors":
        path = path.with_suffix(".safetensors")
        path.write_bytes(write(folder, "whole.safetensors", compact()).read_bytes()[:-2000])
    elif kind == "renamed":
        path.write_bytes(write(folder, "whole.safetensors", compact()).read_bytes())
    elif kind == "other-network":
        torch.save({"layer.weight": torch.ones(3, 3), "layer.bias": torch.ones(3)}, path)
    elif kind == "half-a-network":
        torch.save(dict(list(rrdb(4).items())[:-2]), path)
    elif kind == "keeps-the-size":
        torch.save(compact_state(8, 2, 1), path)
    elif kind == "not-finite":
        torch.save({name: tensor * float("nan") for name, tensor in compact().items()}, path)
    else:
        path.write_bytes(pickle.dumps({"params": Code(folder / "marker")}))
    return path


KINDS = (
    "truncated",
    "truncated-tensors",
    "renamed",
    "other-network",
    "half-a-network",
    "keeps-the-size",
    "not-finite",
    "code",
)


@pytest.mark.usefixtures("prefect_server")
def test_bad_weights_are_refused_and_nothing_is_kept(clip: Path, tmp_path: Path, sakuga_home: Path) -> None:
    out = tmp_path / "out"
    for kind in KINDS:
        path = bad_weights(kind, tmp_path)
        with pytest.raises(WeightsError) as refused:
            enhance(str(clip), EnhanceSpec.model_validate(SPEC | {"model": str(path)}), output=f"{out}/")
        assert refused.value.exit_code == 2, kind
        assert path.name in str(refused.value), kind
    assert not (tmp_path / "marker").exists()
    assert not out.exists()
    assert not (sakuga_home / "calibration.json").exists()
    assert list((sakuga_home / "scratch").iterdir()) == []
    assert [path for path in (sakuga_home / "store").rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("prefect_server", "sakuga_home")
def test_a_checkpoint_that_is_replaced_during_a_job_ends_it(clip: Path, tmp_path: Path) -> None:
    model = write(tmp_path, "mine.pth", compact(1))
    other = write(tmp_path, "other.pth", compact(2))

    def replaced(kind: str, _facts: dict[str, Any]) -> None:
        if kind == "chunk" and other.exists():
            other.replace(model)

    spec = EnhanceSpec.model_validate(SPEC | {"model": str(model), "chunk_seconds": 0.25})
    with open_channel(Channel(replaced)), pytest.raises(WeightsError, match="replaced while the job ran"):
        enhance(str(clip), spec, output=f"{tmp_path}/out/")
    assert not (tmp_path / "out").exists()


def test_the_command_refuses_bad_weights_with_a_sentence(clip: Path, tmp_path: Path, home: Path) -> None:
    path = bad_weights("code", tmp_path)
    done = sakuga("enhance", clip, "-o", tmp_path / "out", "--model", path, home=home)
    assert done.code == 2, done.said
    assert "carries code" in done.out + done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("way", ["torch fp32", "openvino bf16"])
def test_what_does_not_fit_is_made_in_tiles_and_is_the_same(tmp_path: Path, way: str) -> None:
    if way.startswith("openvino"):
        pytest.importorskip("openvino")
    large = make_clip(tmp_path / "large.mkv", frames=1, size=(1280, 720), codec="ffv1")
    model = write(tmp_path, "wide.pth", tamed(compact_state(64, 1, 2), "body.4"))
    made = {}
    # a layer's result is 236 MB in fp32; encoder, decoder and their threads need some, too
    for megabytes in ("0", "500" if "bf16" in way else "800"):
        folder = tmp_path / megabytes
        arguments = [large, model, folder, megabytes, *way.split()]
        ended = subprocess.run(
            [sys.executable, "-m", "tests.acceptance.memory_child", *map(str, arguments)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT,
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        made[megabytes] = int(ended.stdout), decoded_lumas(folder / "0000.mp4")[0]
    (unlimited, whole), (limited, tiled) = made.values()
    assert unlimited > 1280 * 720 > limited
    off = abs(whole.astype(int) - tiled)
    assert off.max() <= (way == "torch fp32")
    assert (off > 0).mean() <= 1e-4


def test_a_job_killed_in_the_middle_goes_on_with_what_was_finished(tmp_path: Path, home: Path) -> None:
    source = make_clip(tmp_path / "long.mp4", frames=60, size=(80, 56), options={"g": "6", "bf": "0"})
    # large enough to be met at work
    model = write(tmp_path, "large.pth", tamed(compact_state(64, 12, 4), "body.26", gain=0.02))
    command: list[str | Path] = ["enhance", source, "-o", tmp_path / "out", "--model", model]
    command += ["--chunk-seconds", "0.25", "--preset", "ultrafast", "--quality", "0"]
    before = finished(home)
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *map(str, command)],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + WAIT
    while len(finished(home) - before) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert psutil.wait_procs(children, 10)[1] == []
    kept = len(finished(home) - before)
    assert not (tmp_path / "out").exists()

    done = sakuga(*command, home=home)
    assert done.code == 0, done.said
    result = result_of(source, tmp_path / "out")
    report = report_of(result)
    assert failures_in(report) == []
    assert report["work"]["cached_chunks"] >= kept
    assert report["work"]["cached_chunks"] < report["work"]["chunks"]
    (used,) = report["work"]["engines"]
    way = {"backend": used["backend"], "precision": used["precision"]}
    whole = make_chunks(
        source, tmp_path / "whole", EnhanceSpec.model_validate(SPEC | way | {"model": str(model)})
    )
    lumas = [luma for path in whole.chunks for luma in decoded_lumas(path)]
    assert [luma.tobytes() for luma in decoded_lumas(result)] == [luma.tobytes() for luma in lumas]


def finished(home: Path) -> set[str]:
    """Names of the chunks that are whole."""
    return {path.stem for path in (home / "store" / "chunks").glob("*/*.json")}


@pytest.fixture
def address() -> Iterator[str]:
    """An HTTP server that gives the folder of weights."""
    handler = functools.partial(Silent, directory=str(WEIGHTS))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@official
@pytest.mark.parametrize("kind", ["folder", "server"])
def test_an_official_model_is_fetched_from_the_mirror_by_its_first_job(
    clip: Path, tmp_path: Path, home: Path, address: str, kind: str
) -> None:
    # the server's job begins with nothing at all, the folder's with two workers
    fresh = tmp_path / "home" if kind == "server" else home
    done = sakuga(
        *("enhance", clip, "-o", tmp_path / "out", "--model", MODEL, "--chunk-seconds", "0.25"),
        home=fresh,
        SAKUGA_MODEL_MIRROR=address if kind == "server" else str(WEIGHTS),
        SAKUGA_MODELS=str(tmp_path / "models"),
        SAKUGA_WORKERS="1" if kind == "server" else "2",
    )
    assert done.code == 0, done.said
    result = result_of(clip, tmp_path / "out")
    report = report_of(result)
    assert failures_in(report) == []
    assert [read_number(luma) for luma in decoded_lumas(result)] == list(range(FRAMES))
    assert decoded_lumas(result)[0].shape == (96, 128)
    assert (tmp_path / "models" / f"{MODEL}.pth").read_bytes() == (WEIGHTS / f"{MODEL}.pth").read_bytes()
    assert report["work"]["chunks"] > 1
    assert len(report["work"]["engines"]) == 1
    assert report["versions"]["model"].startswith(MODEL)


@pytest.mark.usefixtures("prefect_server")
def test_a_mirror_that_gives_another_file_is_refused(
    clip: Path, tmp_path: Path, sakuga_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    write(mirror, f"{MODEL}.pth", compact())
    monkeypatch.setenv("SAKUGA_MODEL_MIRROR", str(mirror))
    unload()
    with pytest.raises(WeightsError, match=f"{MODEL}.pth"):
        enhance(str(clip), EnhanceSpec.model_validate(SPEC | {"model": MODEL}), output=f"{tmp_path}/out/")
    assert list((sakuga_home / "models").rglob("*.pth*")) == []
    assert not (tmp_path / "out").exists()
