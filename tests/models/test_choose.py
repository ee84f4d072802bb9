"""Which device, back end and precision run a network."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sakuga.errors import MissingToolError, OptionError
from sakuga.models.base import Backend, Precision
from sakuga.models.engines import calibration
from sakuga.models.engines.base import Engine
from sakuga.models.engines.calibration import Kept, Situation
from sakuga.models.engines.choose import (
    Device,
    candidates,
    devices_here,
    open_engine,
    pick_device,
    resolve_device,
)
from sakuga.models.engines.parity import PARITY_DB, parity
from sakuga.models.networks.base import SuperResolver
from tests.models.small import Overflowing, compact, picture

pytestmark = pytest.mark.usefixtures("sakuga_home")

LONG = 120.0
"""Seconds that a child process may take on a busy machine."""
SITUATION = Situation("digest", "a processor", 12, "auto auto", "torch 2", 2)


def opened(
    network: SuperResolver,
    device: str = "auto",
    precision: Precision = "auto",
    backend: Backend = "auto",
    digest: str = "d",
) -> Engine:
    return open_engine(
        network, digest=digest, size=(48, 40), device=device, precision=precision, backend=backend
    )


def kept() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(calibration.path().read_text())["choices"]
    return found


def test_the_processor_is_always_there_under_its_own_name() -> None:
    cpu = devices_here()[-1]
    assert cpu.name == "cpu"
    assert len(cpu.description) > len(", 1 processors")


def test_auto_is_the_first_device_and_names_are_themselves() -> None:
    assert resolve_device("auto") == devices_here()[0]
    assert resolve_device("cpu").name == "cpu"


def test_auto_leaves_devices_alone_that_have_failed_and_a_name_means_what_it_says() -> None:
    here = [Device("cuda:0", "a card"), Device("cuda:1", "another"), Device("cpu", "a processor")]
    assert pick_device("auto", here, set()).name == "cuda:0"
    assert pick_device("auto", here, {"cuda:0"}).name == "cuda:1"
    assert pick_device("auto", here, {"cuda:0", "cuda:1"}).name == "cpu"
    assert pick_device("auto", here, {device.name for device in here}).name == "cpu"
    assert pick_device("cuda:0", here, {"cuda:0"}).name == "cuda:0"


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7", "mps"])
def test_a_device_that_is_not_here_is_refused_with_what_is(name: str, sakuga_home: Path) -> None:
    if name in [device.name for device in devices_here()] or (name == "cuda" and torch.cuda.is_available()):
        pytest.skip("it is here")
    with pytest.raises(MissingToolError, match=rf"{name} was asked for, but this machine has only .*cpu"):
        opened(compact(), device=name)
    assert not sakuga_home.exists()


def test_what_a_device_cannot_do_is_refused() -> None:
    with pytest.raises(OptionError, match="choose the back end torch"):
        candidates("cuda:0", "openvino", "auto")
    with pytest.raises(OptionError, match="mps computes fp16, fp32; bf16 was asked for"):
        candidates("mps", "auto", "bf16")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_torch_in_any_precision_is_what_it_is_asked_to_be(precision: Precision) -> None:
    engine = opened(compact(), "cpu", precision, "torch")
    assert (engine.use.backend, engine.use.precision) == ("torch", precision)
    assert not calibration.path().exists(), "nothing was open"
    engine.close()


def test_openvino_is_what_it_is_asked_to_be() -> None:
    pytest.importorskip("openvino")
    engine = opened(compact(), "cpu", "fp32", "openvino")
    assert (engine.use.backend, engine.use.precision, engine.use.device) == ("openvino", "fp32", "cpu")
    engine.close()


def test_auto_is_within_the_bound_and_is_remembered() -> None:
    engine = opened(compact())
    rgb = picture(30, 20)
    assert parity(engine.run(rgb.to(engine.device)).cpu(), compact()(rgb)) >= PARITY_DB
    (entry,) = kept().values()
    assert (entry["backend"], entry["precision"]) == (engine.use.backend, engine.use.precision)
    # another choice than calibration's shows that the file is read
    other = {
        "backend": "torch",
        "precision": "fp32" if engine.use.precision != "fp32" else "bf16",
        "speed": 1,
    }
    situation = next(iter(kept()))
    calibration.path().write_text(json.dumps({"version": 1, "choices": {situation: other}}))
    again = opened(compact())
    assert (again.use.backend, again.use.precision) == (other["backend"], other["precision"])


def test_another_network_and_another_size_are_calibrated_for_themselves() -> None:
    opened(compact(), digest="one")
    opened(compact(), digest="other")
    open_engine(compact(), digest="one", size=(1920, 1080))
    opened(compact(), digest="one", precision="fp32")
    assert len(kept()) == 4


def test_a_network_that_half_precision_breaks_is_run_in_fp32() -> None:
    engine = opened(Overflowing())
    assert engine.use.precision == "fp32"
    assert engine.use.fell_back == "", "it was never chosen"


def test_half_precision_that_was_asked_for_is_watched() -> None:
    engine = opened(Overflowing(), "cpu", "fp16", "torch")
    engine.run(picture(9, 9))
    assert engine.use.precision == "fp32"
    assert engine.use.fell_back


class OneSize(SuperResolver):
    """A network that tracing gets wrong."""

    scale = 1
    radius = 0

    def trunk(self, rgb: Tensor) -> Tensor:
        return rgb * (rgb.shape[-1] / 100)


def test_auto_runs_by_torch_what_openvino_cannot() -> None:
    engine = opened(OneSize(), "cpu")
    assert engine.use.backend == "torch"
    rgb = picture(30, 20)
    assert parity(engine.run(rgb), rgb * 0.3) >= PARITY_DB


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xfe", b'{"version": 1, "choices": 3}', b'{"version": 9}', b"[" * 100_000]
)
def test_a_damaged_file_is_as_good_as_none(damage: bytes, sakuga_home: Path) -> None:
    sakuga_home.mkdir()
    calibration.path().write_bytes(damage)
    assert calibration.recall(SITUATION) is None
    choice = Kept(backend="torch", precision="fp32", speed=1.0)
    calibration.remember(SITUATION, choice)
    assert calibration.recall(SITUATION) == choice


def test_a_choice_of_another_installation_is_not_taken() -> None:
    choice = Kept(backend="torch", precision="fp32", speed=1.0)
    calibration.remember(SITUATION, choice)
    for other in (
        SITUATION._replace(versions="torch 3"),
        SITUATION._replace(cpus=3),
        SITUATION._replace(device="another"),
        SITUATION._replace(digest="x"),
        SITUATION._replace(size_class=13),
    ):
        assert calibration.recall(other) is None


def test_many_may_write_at_the_same_time_and_the_file_stays_whole(sakuga_home: Path) -> None:
    def write(number: int) -> bool:
        situation = SITUATION._replace(digest=str(number))
        calibration.remember(situation, Kept(backend="torch", precision="fp32", speed=number))
        return bool(kept())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(write, range(64)))
    assert [path.name for path in sakuga_home.iterdir()] == ["calibration.json"]


def test_the_oldest_choices_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MOST", 3)
    for number in range(5):
        situation = SITUATION._replace(digest=str(number))
        calibration.remember(situation, Kept(backend="torch", precision="fp32", speed=1.0))
    assert [key.split(" | ")[0] for key in kept()] == ["2", "3", "4"]


def test_a_home_that_cannot_be_written_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SAKUGA_HOME", str(tmp_path / "file" / "home"))
    opened(compact()).close()


def child(code: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(home), "SAKUGA_HOME": str(home / "sakuga"), "PATH": ""},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_but_openvino_works_without_openvino(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["openvino"] = None
from sakuga.errors import MissingToolError
from sakuga.models.engines.choose import open_engine
from tests.models.small import compact, picture
def opened(backend):
    return open_engine(compact(), digest="d", size=(48, 40), device="cpu", precision="auto", backend=backend)
engine = opened("auto")
engine.run(picture(9, 9))
print(engine.use.backend)
try:
    opened("openvino")
except MissingToolError as error:
    print(error)
"""
    backend, refusal = child(code, tmp_path).splitlines()
    assert backend == "torch"
    assert "install Sakuga anew" in refusal


def test_devices_are_listed_without_torch(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["torch"] = None
from sakuga.errors import MissingToolError
from sakuga.models.engines.choose import devices_here, resolve_device
print([device.name for device in devices_here()])
try:
    resolve_device("cuda:0")
except MissingToolError as error:
    print(error)
"""
    names, refusal = child(code, tmp_path).splitlines()
    assert names == "['cpu']"
    assert "PyTorch, which other devices need, is not installed" in refusal
