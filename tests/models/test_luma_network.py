import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from torch.nn import functional

from sakuga.errors import WeightsError
from sakuga.models.luma_network import LumaNetwork
from sakuga.models.tensorfile import read_tensors

NEAR = 1e-5
"""Sums in fp32 in another order."""

NEAR_BF16 = 0.02
"""Eight bits of mantissa, through four convolutions."""

FILE = Path("own.safetensors")
RANDOM = np.random.default_rng(5)
WIDTHS = [1, 8, 8, 4]
TENSORS = {
    f"convolutions.{number}.{kind}": values.astype(np.float32)
    for number, (before, after) in enumerate(pairwise(WIDTHS))
    for kind, values in (
        ("weight", RANDOM.normal(0, 0.15, (after, before, 3, 3))),
        ("bias", RANDOM.normal(0, 0.1, after)),
    )
}


def by_torch(luma: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> torch.Tensor:
    source = torch.from_numpy(luma)[None, None]
    features = functional.pad(source, (3, 3, 3, 3), "replicate")
    for number in range(3):
        kernel, bias = (
            torch.from_numpy(TENSORS[f"convolutions.{number}.{kind}"]) for kind in ("weight", "bias")
        )
        features = functional.conv2d(features, kernel, bias, padding=1)
        features = functional.relu(features) if number < 2 else features
    smooth = functional.interpolate(source, scale_factor=2, mode="bilinear", align_corners=False)
    return (smooth + functional.pixel_shuffle(features, 2)[..., 6:-6, 6:-6])[0, 0]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 7), (31, 18), (64, 48)])
def test_it_computes_what_torch_computes(size: tuple[int, int]) -> None:
    luma = np.random.default_rng(1).random(size, np.float32)
    result = LumaNetwork(TENSORS, "fp32").enlarge(luma)
    assert result.shape == (2 * size[0], 2 * size[1])
    assert np.abs(result - by_torch(luma).numpy()).max() < NEAR


def test_half_precision_is_near() -> None:
    luma = np.random.default_rng(1).random((40, 30), np.float32)
    assert np.abs(LumaNetwork(TENSORS, "bf16").enlarge(luma) - by_torch(luma).numpy()).max() < NEAR_BF16


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_part_with_its_surroundings_is_the_same_part_of_the_whole(precision: str) -> None:
    luma = np.random.default_rng(1).random((60, 50), np.float32)
    network = LumaNetwork(TENSORS, precision)
    halo = network.radius
    part = network.enlarge(luma[20 - halo : 36 + halo, 10 - halo : 30 + halo])
    inner = part[2 * halo : -2 * halo, 2 * halo : -2 * halo]
    assert np.array_equal(inner, network.enlarge(luma)[40:72, 20:60])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_picture_that_is_computed_in_strips_is_the_whole(precision: str) -> None:
    luma = np.random.default_rng(2).random((61, 50), np.float32)
    whole = LumaNetwork(TENSORS, precision).enlarge(luma)
    for strip in (1, 50 * 7, 50 * 60):
        assert np.array_equal(LumaNetwork(TENSORS, precision, strip).enlarge(luma), whole)


def test_tensors_are_read_without_torch() -> None:
    read = read_tensors(
        save({"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": TENSORS["convolutions.0.bias"]}), FILE
    )
    assert read["a"].dtype == np.float32
    assert read["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.array_equal(read["b"], TENSORS["convolutions.0.bias"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        struct.pack("<Q", 1 << 40) + b"{}",
        struct.pack("<Q", 4) + b"none",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{}",
        save(TENSORS)[:-50],
        save({"a": np.array([np.nan], np.float32)}),
        save({"a": np.array([1], np.int64)}),
    ],
)
def test_damaged_files_are_named(content: bytes) -> None:
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        read_tensors(content, FILE)


def test_tensors_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsError, match="row of convolutions"):
        LumaNetwork(
            {"body.0.weight": np.zeros((4, 3, 3, 3), np.float32)} | {"x": np.zeros(1, np.float32)}, "fp32"
        )


def test_a_network_that_does_not_make_four_samples_of_one_is_refused() -> None:
    last = max(int(name.split(".")[1]) for name in TENSORS)
    short = {
        name: tensor[:3] if name.startswith(f"convolutions.{last}.") else tensor
        for name, tensor in TENSORS.items()
    }
    with pytest.raises(WeightsError, match="3 channels, not 4"):
        LumaNetwork(short, "fp32")
