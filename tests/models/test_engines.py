"""What every engine promises, for every engine that is here and every kind of network."""

import gc
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from sakuga.errors import DeviceError, MissingToolError, OptionError, OutOfMemoryError
from sakuga.models.engines.base import Engine
from sakuga.models.engines.parity import PARITY_DB, parity
from sakuga.models.engines.ways import Candidate, open_way
from sakuga.models.networks.base import SuperResolver
from tests.models.small import NETWORKS, Failing, compact, picture

SAME_DB = 110.0
"""fp32 against fp32: sums in another order, and Winograd's, leave 120 dB and more."""

WAYS = [
    Candidate("torch", "fp32"),
    Candidate("torch", "bf16"),
    Candidate("torch", "fp16"),
    Candidate("openvino", "fp32"),
    Candidate("openvino", "bf16"),
]
LONG = 120.0
"""Seconds that a child process may take on a busy machine."""


@pytest.fixture(params=WAYS, ids=lambda way: f"{way.backend} {way.precision}")
def way(request: pytest.FixtureRequest, device: str) -> Candidate:
    way: Candidate = request.param
    if way.backend == "openvino" and device != "cpu":
        pytest.skip("OpenVINO runs on the CPU")
    return way


@pytest.fixture(scope="module", params=["compact x4", "rrdb x4"])
def network(request: pytest.FixtureRequest) -> SuperResolver:
    return NETWORKS[request.param]()


def opened(network: SuperResolver, device: str, way: Candidate) -> Engine:
    try:
        return open_way(network, device, way)
    except MissingToolError as error:
        pytest.skip(str(error))
    except OptionError as error:
        if f"no {way.precision}" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture
def engine(network: SuperResolver, device: str, way: Candidate) -> Iterator[Engine]:
    engine = opened(network, device, way)
    yield engine
    engine.close()


def floor(engine: Engine) -> float:
    return SAME_DB if engine.use.precision == "fp32" else PARITY_DB


def ran(engine: Engine, rgb: Tensor) -> Tensor:
    return engine.run(rgb.to(engine.device)).cpu()


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@pytest.mark.parametrize("size", [(33, 26), (1, 9), (7, 1), (1, 1)], ids=str)
def test_the_result_is_that_of_the_network_at_any_size(
    engine: Engine, network: SuperResolver, size: tuple[int, int]
) -> None:
    rgb = picture(size[0] * network.multiple, size[1] * network.multiple)
    result = ran(engine, rgb)
    assert result.dtype == torch.float32
    assert result.shape == (1, 3, rgb.shape[2] * network.scale, rgb.shape[3] * network.scale)
    assert parity(result, network(rgb)) >= floor(engine)


def test_a_batch_gives_what_its_pictures_give_alone(engine: Engine) -> None:
    rgb = picture(22, 18, count=3)
    together = ran(engine, rgb)
    alone = torch.cat([ran(engine, one[None]) for one in rgb])
    assert torch.equal(together, alone) if engine.steady else parity(together, alone) >= SAME_DB


def test_threads_give_what_one_after_the_other_gives(engine: Engine) -> None:
    pictures = [picture(20 + 2 * (seed % 3), 18, seed) for seed in range(9)]
    expected = [ran(engine, rgb) for rgb in pictures]
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda rgb: ran(engine, rgb), pictures))
    assert all(torch.equal(*pair) for pair in zip(results, expected, strict=True))


def test_what_it_is_given_and_has_given_stays_as_it_is(engine: Engine, network: SuperResolver) -> None:
    rgb = picture(20, 18).to(engine.device)
    given, before = rgb.clone(), {name: value.clone() for name, value in network.state_dict().items()}
    result = engine.run(rgb)
    kept = result.clone()
    engine.run(picture(20, 18, 1).to(engine.device))
    assert torch.equal(rgb, given)
    assert torch.equal(result, kept)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_result_may_be_changed_in_place(engine: Engine) -> None:
    assert engine.run(picture(16, 16).to(engine.device)).clamp_(0, 1).is_contiguous()


def test_a_picture_with_any_strides_is_taken(engine: Engine) -> None:
    rgb = picture(20, 18)
    turned = rgb.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    wide = picture(40, 18)[..., ::2]
    assert parity(ran(engine, turned), ran(engine, rgb)) >= SAME_DB
    assert parity(ran(engine, wide), ran(engine, wide.contiguous())) >= SAME_DB


def test_a_steady_engine_gives_the_same_bits_in_a_part_of_a_picture(device: str, way: Candidate) -> None:
    network = compact()
    engine = opened(network, device, way)
    if not engine.steady:
        pytest.skip("it does not say that it is steady")
    assert network.radius
    rgb = picture(61, 47)
    whole = ran(engine, rgb)
    for left, top, right, bottom in ((0, 0, 30, 47), (9, 5, 61, 47), (13, 11, 40, 33), (20, 20, 31, 29)):
        part = ran(engine, rgb[..., top:bottom, left:right])
        halo, scale = network.radius, network.scale
        inner = [
            (left + halo * (left > 0), right - halo * (right < 61)),
            (top + halo * (top > 0), bottom - halo * (bottom < 47)),
        ]
        (x0, x1), (y0, y1) = inner
        ours = part[..., (y0 - top) * scale : (y1 - top) * scale, (x0 - left) * scale : (x1 - left) * scale]
        assert torch.equal(ours, whole[..., y0 * scale : y1 * scale, x0 * scale : x1 * scale])


def test_a_closed_engine_is_gone(network: SuperResolver, device: str, way: Candidate) -> None:
    engine = opened(network, device, way)
    engine.run(picture(16, 16).to(engine.device))
    engine.close()
    gone = weakref.ref(engine)
    del engine
    gc.collect()
    assert gone() is None


def test_opening_prints_nothing_and_warns_of_nothing(
    device: str, way: Candidate, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(compact(), device, way).close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_device_that_fails_is_a_device_error(precision: str) -> None:
    error = RuntimeError(
        "CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA"
    )
    engine = open_way(Failing(error), "cpu", Candidate("torch", precision))  # type: ignore[arg-type]
    with pytest.raises(DeviceError, match="illegal memory access was encountered") as caught:
        engine.run(picture(8, 8))
    assert not isinstance(caught.value, OutOfMemoryError)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_full_is_an_out_of_memory_error() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    with pytest.raises(OutOfMemoryError, match="fewer workers"):
        open_way(Failing(error), "cpu", Candidate("torch", "fp32")).run(picture(8, 8))


def test_a_mistake_in_a_network_is_not_taken_for_a_failing_device() -> None:
    with pytest.raises(RuntimeError, match="shape mismatch"):
        open_way(Failing(RuntimeError("shape mismatch")), "cpu", Candidate("torch", "fp32")).run(
            picture(8, 8)
        )


class OneSize(SuperResolver):
    """A network whose Python code depends on the size, which tracing takes for a constant."""

    scale = 1
    radius = 0

    def trunk(self, rgb: Tensor) -> Tensor:
        return rgb * float(rgb.shape[-1])


class Unheard(SuperResolver):
    """A network with an operation that OpenVINO does not have."""

    scale = 1
    radius = 0

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def trunk(self, rgb: Tensor) -> Tensor:
        result: Tensor = torch.special.bessel_j0(self.layer(rgb))
        return result


@pytest.mark.parametrize("network", [OneSize(), Unheard()], ids=["one size", "unknown operation"])
def test_openvino_refuses_what_it_would_not_run_rightly(network: SuperResolver) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(OptionError, match="choose the back end torch"):
        open_way(network, "cpu", Candidate("openvino", "fp32"))


def test_threads_may_open_engines_of_one_network_at_the_same_time(device: str, way: Candidate) -> None:
    network = compact()
    opened(network, device, way).close()
    start = threading.Barrier(3)

    def open_and_run() -> Tensor:
        start.wait()
        engine = opened(network, device, way)
        try:
            return ran(engine, picture(16, 16))
        finally:
            engine.close()

    with ThreadPoolExecutor(3) as threads:
        results = [future.result() for future in [threads.submit(open_and_run) for _ in range(3)]]
    assert all(torch.equal(result, results[0]) for result in results)


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


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_picture_that_does_not_fit_is_an_out_of_memory_error(backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    room = 1 << 30
    code = f"""
import resource, torch
from sakuga.errors import OutOfMemoryError
from sakuga.models.engines.ways import Candidate, open_way
from sakuga.models.engines.memory import free_host_memory
from tests.models.small import compact, picture
engine = open_way(compact(), "cpu", Candidate({backend!r}, "fp32"))
small = picture(32, 32)
before = engine.run(small)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {room}, used + {room}))
assert free_host_memory() <= {room}
try:
    engine.run(torch.zeros(1, 3, 6000, 3000))
except OutOfMemoryError as error:
    print("no room:", error)
assert torch.equal(engine.run(small), before)
"""
    assert "no room: cpu has no room" in child(code, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_opening_and_closing_again_and_again_takes_no_more_memory(backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    code = f"""
import gc, resource
from sakuga.models.engines.ways import Candidate, open_way
from sakuga.models.networks.rrdb import RRDBNet
from tests.models.small import picture
def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
network = RRDBNet(64, 3).requires_grad_(False).eval()
def use():
    engine = open_way(network, "cpu", Candidate({backend!r}, "fp32"))
    engine.run(picture(48, 32))
    while_open = resident()
    engine.close()
    return while_open
use()
before = resident()
peaks = [use() for _ in range(4)]
print(sum(tensor.nbytes for tensor in network.parameters()), before, min(peaks), resident())
"""
    weights, before, least, after = map(int, child(code, tmp_path).split())
    assert least > before + weights
    assert after < before + weights / 2


def test_openvino_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    code = """
import sys
from sakuga.models.engines.ways import Candidate, open_way
from tests.models.small import compact, picture
open_way(compact(), "cpu", Candidate("openvino", "fp32")).run(picture(8, 8))
print([name for name in sys.modules if name.startswith("openvino_telemetry")])
"""
    assert child(code, tmp_path) == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_not_used_any_more_is_gone_at_once(device: str) -> None:
    gc.disable()
    try:
        engine = opened(compact(), device, Candidate("torch", "fp32"))
        engine.run(picture(16, 16).to(engine.device))
        gone = weakref.ref(engine)
        del engine
        assert gone() is None
    finally:
        gc.enable()
