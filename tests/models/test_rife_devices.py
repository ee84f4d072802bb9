"""RIFE on a device that has no room, or that fails."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from sakuga.errors import DeviceError
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from sakuga.models.engines import choose
from sakuga.models.rife import Interpolator, Rife
from tests.media.pictures import LIMITED
from tests.models import flownets


class Refusing(nn.Module):
    """The features of a picture on a device that refuses to compute them."""

    def __init__(self, error: RuntimeError) -> None:
        super().__init__()
        self.error = error

    def forward(self, rgb: Tensor) -> Tensor:
        del rgb
        raise self.error


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return flownets.save_flownet(tmp_path / "random.pkl", flownets.random_state(7))


@pytest.fixture
def nothing_failed() -> Iterator[None]:
    before = set(choose._failed)
    yield
    choose._failed.clear()
    choose._failed.update(before)


def picture(seed: int) -> Picture:
    planes = np.random.default_rng(seed).integers(16, 235, (48, 64), np.uint8)
    return Picture((planes,), PixelLayout(chroma="gray", depth=8))


def test_what_a_device_has_no_room_for_is_computed_in_fp32_on_the_cpu(weights: Path) -> None:
    rife = Rife(weights, "cpu", torch.bfloat16)
    rife._net.encode = Refusing(torch.OutOfMemoryError("CUDA out of memory"))  # type: ignore[assignment]
    left, right = picture(1), picture(2)
    found = Interpolator(rife, LIMITED).between(left, right, 0.5)
    wanted = Interpolator(Rife(weights, "cpu"), LIMITED).between(left, right, 0.5)
    assert np.array_equal(found.to_left, wanted.to_left)
    assert np.array_equal(found.to_right, wanted.to_right)
    assert np.array_equal(found.share, wanted.share)


@pytest.mark.usefixtures("nothing_failed")
def test_a_device_that_fails_is_left_alone_by_the_next_attempt(weights: Path) -> None:
    rife = Rife(weights, "cpu", torch.bfloat16)
    rife.device = torch.device("cpu:0")
    rife._net.encode = Refusing(RuntimeError("CUDA error: unspecified launch failure"))  # type: ignore[assignment]
    with pytest.raises(DeviceError, match="unspecified launch failure"):
        rife.see(picture(1), LIMITED)
    assert "cpu:0" in choose._failed


def test_half_precision_finds_motion_near_that_of_fp32(weights: Path) -> None:
    left, right = picture(1), picture(2)
    half = Interpolator(Rife(weights, "cpu", torch.bfloat16), LIMITED).between(left, right, 0.5)
    full = Interpolator(Rife(weights, "cpu"), LIMITED).between(left, right, 0.5)
    assert half.to_left.shape == full.to_left.shape == (48, 64, 2)
    assert half.share.shape == full.share.shape == (48, 64)
    spread = np.abs(full.to_left).mean()
    assert np.abs(half.to_left - full.to_left).mean() < spread / 10
