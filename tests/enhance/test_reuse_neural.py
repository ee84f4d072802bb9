"""Reuse with networks: parts of a picture are those of the whole, in every layout and size."""

import pytest

pytest.importorskip("torch")

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from sakuga.enhance.audit import OFF_BY_ONE
from sakuga.enhance.near import NEAR_PSNR, luma_psnr
from sakuga.enhance.reuse import Reuse, ReuseMode
from sakuga.enhance.tally import Counts
from sakuga.enhance.upscaling import Upscaling
from sakuga.media.info import ChromaFormat
from sakuga.media.picture import Picture
from sakuga.models.base import RegionUpscaler
from sakuga.models.engines.torch_engine import TorchEngine
from sakuga.models.networks.compact import SRVGGNetCompact
from sakuga.models.neural import NeuralUpscaler
from tests.enhance.test_reuse import all_equal, painted
from tests.media.pictures import LIMITED, noise

SIZES = ((222, 166), (444, 332), (166, 124), (110, 82))
"""Results of 111x83: the network's own size, a second pass, one in between, and almost none."""


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def upscaler(request: pytest.FixtureRequest) -> Iterator[NeuralUpscaler]:
    torch.manual_seed(4)
    network = SRVGGNetCompact(features=8, convolutions=2, scale=2)
    engine = TorchEngine(network, "cpu", request.param)
    made = NeuralUpscaler("random", "random", engine, network)
    yield made
    made.close()


def run(
    upscaler: NeuralUpscaler, pictures: Sequence[Picture], size: tuple[int, int], mode: ReuseMode
) -> tuple[Counts, list[Picture]]:
    with ThreadPoolExecutor(2) as pool:
        reuse = Reuse(Upscaling(upscaler, size, pictures[0].layout, LIMITED), pool, mode)
        results = [reuse(number, picture) for number, picture in enumerate(pictures)]
        reuse.finish()
        return reuse.counts, [result.result() for result in results]


def same_but_rounding(
    upscaler: NeuralUpscaler, results: Sequence[Picture], wanted: Sequence[Picture]
) -> bool:
    """Equal where the engine says so, else one step off in few samples of all pictures."""
    if upscaler.use.precision == "bf16":
        return all_equal(results, wanted)
    planes = [
        (a, b) for x, y in zip(results, wanted, strict=True) for a, b in zip(x.planes, y.planes, strict=True)
    ]
    off = np.concatenate([np.abs(a.astype(int) - b).ravel() for a, b in planes])
    return bool(off.max() <= 1 and np.count_nonzero(off) <= OFF_BY_ONE * off.size)


def drawn(size: tuple[int, int], chroma: ChromaFormat = "420", depth: int = 8) -> list[Picture]:
    """A still, changes of a pixel at its corners, a moving mouth, a cut, and the still again."""
    still, other = noise(1, size, chroma, depth), noise(2, size, chroma, depth)
    corners = [painted(still, x, y, 1, 1, 60) for x in (0, size[0] - 1) for y in (0, size[1] - 1)]
    mouths = [painted(still, 40, 30, 9, 5, value) for value in (30, 30, 50, 70, 90)]
    return [still, *corners, *mouths, other, painted(other, 3, 50, 30, 3, 40), still]


@pytest.mark.parametrize("size", SIZES)
def test_exact_reuse_gives_the_pixels_of_none_at_every_size(
    upscaler: NeuralUpscaler, size: tuple[int, int]
) -> None:
    assert isinstance(upscaler, RegionUpscaler)
    pictures = drawn((111, 83))
    counts, results = run(upscaler, pictures, size, "exact")
    assert counts.partial >= 3
    assert not counts.regions_off
    assert same_but_rounding(upscaler, results, run(upscaler, pictures, size, "off")[1])


@pytest.mark.parametrize(("chroma", "depth"), [("gray", 8), ("422", 8), ("444", 10), ("420", 10)])
def test_exact_reuse_gives_the_pixels_of_none_in_every_layout(
    upscaler: NeuralUpscaler, chroma: ChromaFormat, depth: int
) -> None:
    pictures = drawn((160, 112), chroma, depth)
    counts, results = run(upscaler, pictures, (320, 224), "exact")
    assert counts.partial >= 5
    assert same_but_rounding(upscaler, results, run(upscaler, pictures, (320, 224), "off")[1])


def test_near_reuse_keeps_its_bound(upscaler: NeuralUpscaler) -> None:
    pictures = drawn((112, 80))
    counts, results = run(upscaler, pictures, (224, 160), "near")
    assert counts.partial + counts.reused > 0
    wanted = run(upscaler, pictures, (224, 160), "off")[1]
    assert min(luma_psnr(a, b) for a, b in zip(results, wanted, strict=True)) > NEAR_PSNR
