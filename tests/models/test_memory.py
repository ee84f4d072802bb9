"""How much memory there is, how much a picture needs, and what errors say about it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sakuga.errors import DeviceError, OutOfMemoryError
from sakuga.models.engines.memory import (
    MOST_SAMPLES,
    UNKNOWN_NEED,
    bytes_per_pixel,
    device_errors,
    free_host_memory,
    is_device_failure,
    is_out_of_memory,
    need_of,
    pixels_that_fit,
    pixels_within,
)
from sakuga.models.engines.torch_engine import TorchEngine
from sakuga.models.networks.base import SuperResolver
from sakuga.models.networks.compact import SRVGGNetCompact
from sakuga.models.networks.rrdb import RRDBNet
from tests.models.small import compact

GIB = 1 << 30
LONG = 120.0
"""Seconds that a child process may take on a busy machine."""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n"}


def test_without_limits_it_is_what_the_machine_has_left(tmp_path: Path) -> None:
    assert free_host_memory(write(tmp_path, MACHINE)) == 8 * GIB


def test_a_control_group_is_a_limit_and_so_are_those_above_it(tmp_path: Path) -> None:
    files = {
        **MACHINE,
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/outer/memory.max": f"{4 * GIB}\n",
        "sys/fs/cgroup/outer/memory.current": f"{3 * GIB}\n",
        "sys/fs/cgroup/outer/inner/memory.max": "max\n",
        "sys/fs/cgroup/outer/inner/memory.current": f"{2 * GIB}\n",
    }
    assert free_host_memory(write(tmp_path, files)) == GIB


def test_files_that_are_only_cached_can_be_given_back(tmp_path: Path) -> None:
    files = {
        **MACHINE,
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
        "sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
        "sys/fs/cgroup/memory.stat": f"anon {GIB}\ninactive_file {2 * GIB}\n",
    }
    assert free_host_memory(write(tmp_path, files)) == 3 * GIB


def test_older_control_groups_are_limits_too(tmp_path: Path) -> None:
    files = {
        **MACHINE,
        "proc/self/cgroup": "12:cpuset:/box\n5:memory:/box\n",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory/box/memory.usage_in_bytes": f"{GIB}\n",
        "sys/fs/cgroup/memory/box/memory.stat": f"total_inactive_file {GIB // 2}\n",
    }
    assert free_host_memory(write(tmp_path, files)) == GIB + GIB // 2


def test_more_used_than_allowed_is_nothing_left(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": f"{GIB}\n",
        "sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
    }
    assert free_host_memory(write(tmp_path, files)) == 0


def test_a_system_that_says_nothing_is_taken_to_have_some(tmp_path: Path) -> None:
    assert free_host_memory(tmp_path) > 0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read as Linux gives them")
@pytest.mark.parametrize("network", [SRVGGNetCompact(32, 2), RRDBNet(32, 1, 4, 16)], ids=["compact", "rrdb"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_estimate_is_not_below_what_a_run_takes_and_not_far_above(
    network: SuperResolver, precision: str
) -> None:
    side = 320
    estimate = bytes_per_pixel(network, 32 if precision == "fp32" else 16) * side**2
    kind = "SRVGGNetCompact(32, 2)" if isinstance(network, SRVGGNetCompact) else "RRDBNet(32, 1, 4, 16)"
    code = f"""
import re, torch
from sakuga.models.engines.torch_engine import TorchEngine
from sakuga.models.networks.compact import SRVGGNetCompact
from sakuga.models.networks.rrdb import RRDBNet
engine = TorchEngine({kind}, "cpu", {precision!r})
engine.run(torch.rand(1, 3, 32, 32))
rgb = torch.rand(1, 3, {side}, {side})
open("/proc/self/clear_refs", "w").write("5")
def kilobytes(name):
    return int(re.search(name + r":\\s*([0-9]+)", open("/proc/self/status").read())[1])
before = kilobytes("VmRSS")
engine.run(rgb)
print((kilobytes("VmHWM") - before) * 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG, check=True
    )
    assert int(done.stdout) <= estimate <= 4 * int(done.stdout)


def test_half_precision_and_smaller_networks_let_larger_pictures_fit() -> None:
    small, large = compact(), RRDBNet(64, 1)
    fp32, bf16 = TorchEngine(small, "cpu", "fp32"), TorchEngine(small, "cpu", "bf16")
    assert 0 < pixels_that_fit(fp32, large) < pixels_that_fit(fp32, small) < pixels_that_fit(bf16, small)


@pytest.mark.parametrize(("kind", "most"), MOST_SAMPLES.items())
@pytest.mark.parametrize(
    "network", [compact(), RRDBNet(64, 1), RRDBNet(64, 1, 2)], ids=["compact", "x4", "x2"]
)
def test_no_tensor_has_more_samples_than_a_gpu_counts_however_much_memory_it_has(
    network: SuperResolver, kind: str, most: int
) -> None:
    pixels = pixels_within(10_000 * GIB, need_of(network), kind, 16, 4)
    widest = 16 if isinstance(network, SRVGGNetCompact) else 64
    largest = max(widest * (1 if network.radius else 16 // network.multiple**2), 3 * network.scale**2)
    assert most - 2 * largest <= pixels * largest <= most


def test_on_a_gpu_pictures_under_way_share_the_memory_of_one_trunk() -> None:
    need = need_of(RRDBNet(64, 1))
    alone, four = (pixels_within(8 * GIB, need, "cuda", 16, parallel) for parallel in (1, 4))
    assert alone / 4 < four < alone
    assert pixels_within(8 * GIB, need, "mps", 16, 4) == pytest.approx(alone / 4, abs=1)


class Peculiar(SuperResolver):
    """A network that cannot be followed without numbers."""

    scale = 2
    radius = 0

    def trunk(self, rgb: Tensor) -> Tensor:
        return rgb.repeat(1, 1, 2, 2) if bool(rgb.sum() > 0) else rgb.repeat(1, 1, 2, 2) * 2


def test_a_network_that_cannot_be_followed_is_taken_to_need_much() -> None:
    assert bytes_per_pixel(Peculiar()) > UNKNOWN_NEED


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        RuntimeError("could not create a memory object"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:223:\nstd::bad_alloc"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_what_means_that_there_is_no_room(error: BaseException) -> None:
    assert is_out_of_memory(error)
    with pytest.raises(OutOfMemoryError), device_errors("cuda:0"):
        raise error


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: unspecified launch failure",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "CUBLAS_STATUS_NOT_INITIALIZED",
        "Exception from src/inference/src/cpp/infer_request.cpp:223: failed",
    ],
)
def test_what_means_that_a_device_failed(text: str) -> None:
    assert is_device_failure(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError(text))
    with pytest.raises(DeviceError, match="cuda:0 failed"), device_errors("cuda:0"):
        raise RuntimeError(text)


def test_a_mistake_is_neither() -> None:
    assert not is_out_of_memory(ValueError("out of memory"))
    with pytest.raises(RuntimeError, match="size of tensor"), device_errors("cpu"):
        raise RuntimeError("The size of tensor a (3) must match")
