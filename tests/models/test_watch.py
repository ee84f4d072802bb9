"""Half precision under watch: what is wrong with it is found, and not given to anybody."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sakuga.models.engines.base import Engine
from sakuga.models.engines.torch_engine import TorchEngine
from sakuga.models.engines.watch import WATCH_EVERY, WatchedEngine
from sakuga.models.networks.base import SuperResolver
from tests.models.small import Failing, Overflowing, compact, picture


class Exact:
    """Opens fp32 engines, and counts them and their runs."""

    def __init__(self, network: SuperResolver) -> None:
        self.network = network
        self.opened = 0

    def __call__(self) -> Engine:
        self.opened += 1
        return TorchEngine(self.network, "cpu", "fp32")


def watched(network: SuperResolver, precision: str) -> tuple[WatchedEngine, Exact]:
    exact = Exact(network)
    return WatchedEngine(TorchEngine(network, "cpu", precision), exact), exact  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_network_that_half_precision_breaks_goes_on_in_fp32_and_says_so(precision: str) -> None:
    engine, _ = watched(Overflowing(), precision)
    expected = TorchEngine(Overflowing(), "cpu", "fp32").run(picture(12, 10))
    assert engine.use.precision == precision
    assert torch.equal(engine.run(picture(12, 10)), expected)
    assert torch.equal(engine.run(picture(12, 10)), expected)
    assert engine.use.precision == "fp32"
    assert f"{precision} gave" in engine.use.fell_back
    assert "fp32 was used" in engine.use.fell_back
    engine.close()


def test_infinite_numbers_are_named() -> None:
    engine, _ = watched(Overflowing(), "fp16")
    engine.run(picture(12, 10))
    assert "infinite or undefined numbers" in engine.use.fell_back


def test_a_network_that_is_good_in_half_precision_stays_in_it() -> None:
    engine, exact = watched(compact(), "bf16")
    half = TorchEngine(compact(), "cpu", "bf16").run(picture(12, 10))
    assert torch.equal(engine.run(picture(12, 10)), half)
    assert engine.use.precision == "bf16"
    assert engine.use.fell_back == ""
    assert exact.opened == 1


def test_the_first_run_and_then_one_of_many_is_sampled() -> None:
    engine, exact = watched(compact(1), "bf16")
    for _ in range(2 * WATCH_EVERY + 1):
        engine.run(picture(2, 2))
    assert exact.opened == 3


class Later(SuperResolver):
    """A network that half precision breaks on bright pictures only."""

    scale = 1
    radius = 0

    def trunk(self, rgb: Tensor) -> Tensor:
        return torch.where(rgb.mean() > 0.5, (rgb * 70_000) / 70_000, rgb)


def test_what_breaks_later_is_found_by_a_later_sample() -> None:
    engine, _ = watched(Later(), "fp16")
    dark, bright = torch.full((1, 3, 4, 4), 0.25), torch.full((1, 3, 4, 4), 0.96)
    assert torch.equal(engine.run(dark), dark)
    results = [engine.run(bright) for _ in range(WATCH_EVERY + 1)]
    assert torch.allclose(results[-1], bright)
    assert engine.use.precision == "fp32"


def test_nobody_gets_a_broken_result_while_the_first_one_is_judged() -> None:
    engine, exact = watched(Overflowing(), "fp16")
    start = threading.Barrier(6)

    def run(seed: int) -> Tensor:
        start.wait()
        return engine.run(picture(30, 20, seed))

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(run, range(6)))
    single = TorchEngine(Overflowing(), "cpu", "fp32")
    assert all(torch.equal(result, single.run(picture(30, 20, seed))) for seed, result in enumerate(results))
    assert exact.opened == 1


def test_a_sample_that_fails_is_made_up_for() -> None:
    good, broken = TorchEngine(compact(), "cpu", "bf16"), TorchEngine(Failing(MemoryError()), "cpu", "fp32")
    exact: list[Engine] = [TorchEngine(compact(), "cpu", "fp32"), broken]
    engine = WatchedEngine(good, lambda: exact.pop())
    with pytest.raises(Exception, match="no room"):
        engine.run(picture(12, 10))
    engine.run(picture(12, 10))
    assert exact == []
    assert engine.use.precision == "bf16"
