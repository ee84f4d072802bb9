"""Networks that shift colours: the result keeps the mean colours of the source, in every cell."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.media.colour import rgb_to_yuv
from sakuga.media.info import ChromaFormat, Colour, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.models.base import Rect
from tests.assets import ASSETS
from tests.media.pictures import LIMITED, noise

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from sakuga.models.cards import find_card  # noqa: E402
from sakuga.models.engines.torch_engine import TorchEngine  # noqa: E402
from sakuga.models.means import CELL  # noqa: E402
from sakuga.models.networks.base import SuperResolver  # noqa: E402
from sakuga.models.networks.checkpoint import build_network  # noqa: E402
from sakuga.models.neural import NeuralUpscaler  # noqa: E402
from sakuga.models.tiles import OVERLAP  # noqa: E402
from tests.models.networks import Identity, PlainEngine, Tiny  # noqa: E402

WHOLE = 1 << 30
WEIGHTS = ASSETS / "weights/realesr-animevideov3.pth"
YUV420 = PixelLayout(chroma="420", depth=8)
YUV444P10 = PixelLayout(chroma="444", depth=10)
FULL = LIMITED.model_copy(update={"full_range": True})

ROUNDING = 0.1
"""Steps of 8 bits, of a cell's mean: 10 bits rounded, and a parabola's mean at some places of it."""
MEAN = 0.5
"""Steps of 8 bits, of a plane's mean, where some samples are cut at black or white."""
EDGES = 0.1
"""Steps of 8 bits, of a plane's mean: chroma that is resampled at a picture's edges."""


class Shifting(Identity):
    """Makes black brighter by 5 codes, red by 2 more, and white less so."""

    def trunk(self, rgb: Tensor) -> Tensor:
        shift = torch.tensor([7.0, 5.0, 5.0], dtype=rgb.dtype).view(1, 3, 1, 1) / 255
        brighter: Tensor = super().trunk(rgb) * 0.97 + shift
        return brighter


def upscaler(network: SuperResolver, pixels: int = WHOLE) -> NeuralUpscaler:
    return NeuralUpscaler("shifting", "shifting-1", PlainEngine(network), network, pixels)


@pytest.fixture(scope="module")
def anime() -> Iterator[NeuralUpscaler]:
    if not WEIGHTS.is_file():
        pytest.skip("the weights of realesr-animevideov3 are not at hand")
    network = build_network(find_card("realesr-animevideov3"), [WEIGHTS])
    made = NeuralUpscaler("anime", "anime-1", TorchEngine(network, "cpu", "fp32"), network)
    yield made
    made.close()


def soft(seed: int, size: tuple[int, int], chroma: ChromaFormat = "444") -> Picture:
    """Noise far from black, white and the edge of the gamut."""
    planes: list[Plane] = [
        (plane % 61 + 95).astype(np.uint8) if number == 0 else (plane % 17 + 120).astype(np.uint8)
        for number, plane in enumerate(noise(seed, size, chroma).planes)
    ]
    return Picture(tuple(planes), PixelLayout(chroma=chroma, depth=8))


def drawn(size: tuple[int, int]) -> Picture:
    """Flat colours with lines around them."""
    rgb = np.full((size[1], size[0], 3), (205, 190, 170), np.uint8)
    for number, colour in enumerate([(90, 140, 190), (190, 120, 100), (120, 170, 110)]):
        centre = (size[0] * (2 * number + 1) // 6, size[1] * (number + 1) // 4)
        cv2.circle(rgb, centre, size[1] // 4, colour, -1, cv2.LINE_AA)
        cv2.circle(rgb, centre, size[1] // 4, (50, 45, 60), 2, cv2.LINE_AA)
    return Picture(rgb_to_yuv(rgb, 8), PixelLayout(chroma="444", depth=8))


def flat(codes: tuple[int, ...], size: tuple[int, int]) -> Picture:
    planes: list[Plane] = [
        np.full((size[1] // 2, size[0] // 2) if number else size[::-1], code, np.uint8)
        for number, code in enumerate(codes)
    ]
    return Picture(tuple(planes), YUV420)


def cell_means(plane: Plane, side: int) -> NDArray[np.float64]:
    """In steps of 8 bits."""
    rows = np.add.reduceat(plane.astype(np.float64), np.arange(0, plane.shape[0], side), 0)
    sums = np.add.reduceat(rows, np.arange(0, plane.shape[1], side), 1)
    height, width = (np.diff([*range(0, length, side), length]) for length in plane.shape)
    means: NDArray[np.float64] = sums / np.outer(height, width) / (4 if plane.dtype == np.uint16 else 1)
    return means


def drifts(result: Picture, source: Picture) -> list[float]:
    """Of each plane's mean, in steps of 8 bits."""
    return [
        abs(float(cell_means(a, 1 << 20)[0, 0] - cell_means(b, 1 << 20)[0, 0]))
        for a, b in zip(result.planes, source.planes, strict=True)
    ]


def farthest_cell(result: Picture, source: Picture, factor: int) -> float:
    return max(
        float(np.abs(cell_means(a, CELL * factor) - cell_means(b, CELL)).max())
        for a, b in zip(result.planes, source.planes, strict=True)
    )


@pytest.mark.parametrize("size", [(48, 40), (45, 39), (9, 8), (3, 17)])
@pytest.mark.parametrize(
    "network", [Tiny(2), Shifting(2), Tiny(2, exact=False)], ids=["tiny", "shifting", "unknown radius"]
)
def test_every_cell_has_the_mean_colour_of_the_sources(network: SuperResolver, size: tuple[int, int]) -> None:
    source, wanted = soft(1, size), (2 * size[0], 2 * size[1])
    assert farthest_cell(upscaler(network).upscale(source, wanted, YUV444P10, LIMITED), source, 2) <= ROUNDING


def test_so_has_every_cell_after_two_passes() -> None:
    source = soft(2, (40, 32))
    result = upscaler(Tiny(2)).upscale(source, (160, 128), YUV444P10, LIMITED)
    assert farthest_cell(result, source, 4) <= ROUNDING


@pytest.mark.parametrize("code", [16, 17, 40, 126, 204, 231, 235])
@pytest.mark.parametrize("wanted", [(128, 96), (64, 48), (97, 71), (20, 16)])
@pytest.mark.parametrize("pixels", [WHOLE, 1200])
def test_a_flat_grey_stays_that_grey(code: int, wanted: tuple[int, int], pixels: int) -> None:
    source = flat((code, 128, 128), (64, 48))
    luma, *chroma = upscaler(Shifting(2), pixels).upscale(source, wanted, YUV420, LIMITED).planes
    assert np.abs(luma.astype(int) - code).max() <= 1
    assert all(np.abs(plane.astype(int) - 128).max() <= 1 for plane in chroma)


def test_a_flat_colour_stays_that_colour_in_full_range_and_any_matrix() -> None:
    source = flat((150, 110, 140), (64, 48))
    for matrix in ("bt709", "smpte170m", "bt2020nc"):
        colour: Colour = FULL.model_copy(update={"matrix": matrix})
        result = upscaler(Shifting(2)).upscale(source, (128, 96), YUV420, colour)
        for plane, code in zip(result.planes, (150, 110, 140), strict=True):
            assert np.abs(plane.astype(int) - code).max() <= 1


def test_a_grey_source_has_no_colour_though_its_network_makes_red() -> None:
    grey = Picture((soft(3, (32, 24)).planes[0],), PixelLayout(chroma="gray", depth=8))
    luma, *chroma = upscaler(Shifting(2)).upscale(grey, (64, 48), YUV420, LIMITED).planes
    assert all((plane == 128).all() for plane in chroma)
    assert abs(float(luma.mean()) - float(grey.planes[0].mean())) <= ROUNDING


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("wanted", [(96, 80), (72, 60), (110, 90), (30, 26), (12, 10)])
def test_the_mean_of_every_plane_is_kept_at_every_size(chroma: ChromaFormat, wanted: tuple[int, int]) -> None:
    source = soft(4, (48, 40), chroma)
    result = upscaler(Shifting(2)).upscale(source, wanted, PixelLayout(chroma=chroma, depth=10), LIMITED)
    assert max(drifts(result, source)) <= MEAN


def test_blended_tiles_keep_it_too() -> None:
    source = soft(5, (180, 150))
    made = upscaler(Shifting(2, radius=None), (3 * OVERLAP) ** 2)
    assert farthest_cell(made.upscale(source, (360, 300), YUV444P10, LIMITED), source, 2) <= ROUNDING


def test_regions_with_a_small_halo_keep_it_without_looking_farther() -> None:
    source, network = soft(6, (96, 80)), Shifting(2)
    engine = PlainEngine(network)
    made = NeuralUpscaler("shifting", "shifting-1", engine, network)
    before = Picture(tuple(np.zeros((160, 192), np.uint16) for _ in range(3)), YUV444P10)
    regions = [Rect(16, 16, 48, 32)]
    result = made.upscale_regions(source, before, regions, (192, 160), YUV444P10, LIMITED, halo=0)
    assert engine.sizes == [(32, 16)]
    for plane, known in zip(result.planes, source.planes, strict=True):
        difference = cell_means(plane[32:64, 32:96], 2 * CELL) - cell_means(known[16:32, 16:48], CELL)
        assert np.abs(difference).max() <= ROUNDING


@pytest.mark.parametrize("source", [drawn((72, 56)), soft(7, (72, 56))], ids=["drawn", "noise"])
def test_the_official_network_keeps_the_mean_colour_of_every_cell(
    anime: NeuralUpscaler, source: Picture
) -> None:
    result = anime.upscale(source, (288, 224), YUV444P10, LIMITED)
    assert farthest_cell(result, source, 4) <= ROUNDING
    half = anime.upscale(source, (144, 112), YUV420, LIMITED)
    assert max(drifts(half, source)) <= EDGES


def test_the_official_network_keeps_a_flat_grey(anime: NeuralUpscaler) -> None:
    for code in (16, 60, 204, 235):
        luma, *chroma = anime.upscale(flat((code, 128, 128), (48, 40)), (96, 80), YUV420, LIMITED).planes
        assert np.abs(luma.astype(int) - code).max() <= 1
        assert all(np.abs(plane.astype(int) - 128).max() <= 1 for plane in chroma)
