"""Every engine under the upscaler: in tiles and in regions it gives the result of the whole picture."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest

from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from sakuga.models.base import Rect
from tests.media.pictures import LIMITED, noise

torch = pytest.importorskip("torch")

from sakuga.models.engines.base import Engine  # noqa: E402
from sakuga.models.engines.torch_engine import TorchEngine  # noqa: E402
from sakuga.models.means import cell_area  # noqa: E402
from sakuga.models.networks.base import SuperResolver  # noqa: E402
from sakuga.models.neural import ALIGNED, NeuralUpscaler  # noqa: E402
from tests.models.small import NETWORKS  # noqa: E402

YUV420 = PixelLayout(chroma="420", depth=8)
SIZE, WANTED = (75, 61), (150, 122)
WHOLE, TILES = 1 << 30, 1500
FEW = 1e-4
"""Share of samples that may be off by one step, where an engine's sums depend on the shape."""

WAYS = ["torch fp32", "torch bf16", "openvino fp32", "openvino bf16"]


def opened(network: SuperResolver, way: str, device: str) -> Engine:
    backend, precision = way.split()
    assert precision in ("fp32", "bf16")
    chosen: Literal["fp32", "bf16"] = "bf16" if precision == "bf16" else "fp32"
    if backend == "torch":
        return TorchEngine(network, device, chosen)
    pytest.importorskip("openvino")
    from sakuga.errors import OptionError
    from sakuga.models.engines.openvino_engine import OpenVinoEngine

    if device != "cpu":
        pytest.skip("OpenVINO runs on the CPU only")
    try:
        return OpenVinoEngine(network, chosen)
    except OptionError as error:
        pytest.skip(str(error))


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["compact x4", "compact x2 leaky"])
def pair(request: pytest.FixtureRequest, way: str, device: str) -> Iterator[tuple[Engine, SuperResolver]]:
    network = NETWORKS[request.param]()
    engine = opened(network, way, device)
    yield engine, network
    engine.close()


def assert_same(one: Picture, other: Picture, *, steady: bool) -> None:
    differences = [
        np.abs(a.astype(int) - b.astype(int)) for a, b in zip(one.planes, other.planes, strict=True)
    ]
    assert max(int(plane.max()) for plane in differences) <= (0 if steady else 1)
    assert sum(np.count_nonzero(plane) for plane in differences) <= FEW * sum(
        plane.size for plane in differences
    )


def test_tiles_make_the_whole_pictures_result(pair: tuple[Engine, SuperResolver]) -> None:
    engine, network = pair
    picture = noise(1, SIZE)
    whole = NeuralUpscaler("small", "small-1", engine, network, WHOLE).upscale(
        picture, WANTED, YUV420, LIMITED
    )
    tiled = NeuralUpscaler("small", "small-1", engine, network, TILES).upscale(
        picture, WANTED, YUV420, LIMITED
    )
    assert_same(tiled, whole, steady=engine.steady)


def test_regions_make_the_whole_pictures_result(pair: tuple[Engine, SuperResolver]) -> None:
    engine, network = pair
    upscaler = NeuralUpscaler("small", "small-1", engine, network, WHOLE)
    first, second = noise(2, SIZE), noise(2, SIZE)
    second.planes[0][20:24, 30:37] = 200
    second.planes[1][9:13, 8:10] = 60
    spread = upscaler.spread(first, WANTED)
    assert spread is not None
    reached = Rect(30 - spread, 20 - spread, 37 + spread, 24 + spread)
    dirty = cell_area(reached, ALIGNED, 0, SIZE)
    regions = [dirty, Rect(0, 0, dirty.left, SIZE[1]), Rect(dirty.left, dirty.bottom, dirty.right, SIZE[1])]
    regions = [region for region in regions if region.width and region.height]
    before = upscaler.upscale(first, WANTED, YUV420, LIMITED)
    mixed = upscaler.upscale_regions(second, before, regions, WANTED, YUV420, LIMITED)
    whole = upscaler.upscale(second, WANTED, YUV420, LIMITED)
    assert not whole.same_as(before)
    assert_same(mixed, whole, steady=engine.steady)


@pytest.mark.parametrize("name", ["rrdb x4", "rrdb x2"])
def test_networks_without_a_radius_take_odd_sizes(name: str, way: str, device: str) -> None:
    network = NETWORKS[name]()
    engine = opened(network, way, device)
    upscaler = NeuralUpscaler("small", "small-1", engine, network, WHOLE)
    for width, height in ((1, 1), (1, 7), (19, 13)):
        result = upscaler.upscale(noise(3, (width, height)), (2 * width, 2 * height), YUV420, LIMITED)
        assert [plane.shape for plane in result.planes] == [(2 * height, 2 * width), *[(height, width)] * 2]
    assert upscaler.use.device == device
    upscaler.close()


def test_blended_tiles_begin_where_the_network_takes_pixels_together() -> None:
    network = NETWORKS["rrdb x2"]()
    engine, picture = TorchEngine(network, "cpu", "fp32"), noise(1, (200, 150))
    results = [
        NeuralUpscaler("x", "x", engine, network, pixels).upscale(picture, (400, 300), YUV420, LIMITED)
        for pixels in (WHOLE, 16_000)
    ]
    seams = [np.abs(a.astype(int) - b) for a, b in zip(*(one.planes for one in results), strict=True)]
    assert max(int(plane.max()) for plane in seams) <= 1
