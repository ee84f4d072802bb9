"""A device that fails in the middle of a chunk: nothing is left, and another attempt is right."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from torch import Tensor

from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import DeviceError, OutOfMemoryError
from sakuga.models.engines.torch_engine import TorchEngine
from sakuga.models.networks.base import SuperResolver
from sakuga.models.networks.compact import SRVGGNetCompact
from sakuga.models.neural import NeuralUpscaler
from tests.enhance.test_chunk import frames_of, source_at
from tests.models.small import seeded

SPEC = EnhanceSpec(model="lanczos", quality=0, preset="ultrafast", reuse="off", chunk_seconds=100)
FRAMES = 6


class Failing(SRVGGNetCompact):
    """A network whose device fails for every picture from one on, as a driver does after a fault."""

    fails_at, runs, says = 10**9, 0, ""

    def trunk(self, rgb: Tensor) -> Tensor:
        Failing.runs += 1
        if Failing.runs > Failing.fails_at:
            raise RuntimeError(Failing.says)
        return super().trunk(rgb)


def upscaler(fails_at: int, says: str) -> NeuralUpscaler:
    Failing.fails_at, Failing.runs, Failing.says = fails_at, 0, says
    network: SuperResolver = seeded(lambda: Failing(8, 1, 2))
    return NeuralUpscaler("failing", "failing", TorchEngine(network, "cpu", "fp32"), network)


@pytest.mark.parametrize("says", ["CUDA error: an illegal memory access was encountered", "cuDNN error: 8"])
def test_a_chunk_whose_device_fails_leaves_nothing_and_is_right_when_made_again(
    tmp_path: Path, says: str
) -> None:
    source = source_at(tmp_path / "clip.mp4", frames=FRAMES)
    plan = source.plan(SPEC)
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(DeviceError, match="cpu failed") as failed:
        source.enhance(SPEC, plan, plan.chunks[0], output / "chunk.mp4", upscaler=upscaler(3, says))
    assert failed.value.retryable
    assert list(output.iterdir()) == []
    for name in ("again", "clean"):
        source.enhance(SPEC, plan, plan.chunks[0], output / f"{name}.mp4", upscaler=upscaler(10**9, ""))
    again, clean = frames_of(output / "again.mp4"), frames_of(output / "clean.mp4")
    assert len(again) == FRAMES
    assert all(np.array_equal(one, other) for one, other in zip(again, clean, strict=True))


def test_a_device_without_room_for_the_smallest_tile_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    source = source_at(tmp_path / "clip.mp4", frames=FRAMES)
    plan = source.plan(SPEC)
    broken = upscaler(3, "CUDA out of memory. Tried to allocate 20.00 MiB")
    with pytest.raises(OutOfMemoryError, match="no room") as failed:
        source.enhance(SPEC, plan, plan.chunks[0], tmp_path / "chunk.mp4", upscaler=broken)
    assert failed.value.retryable
    assert not (tmp_path / "chunk.mp4").exists()
