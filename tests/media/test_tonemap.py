from typing import Any, Literal

import numpy as np
import pytest

from sakuga.media.film import Film, film_pictures
from sakuga.media.info import ChromaFormat, Colour, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.tonemap import BT709_LUMA, BT2020_LUMA, pq_code, pq_light, sdr_colour, to_sdr, tone_curve
from tests.media.pictures import MemoryReader, stream

PQ = Colour(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084", full_range=False)
HLG = PQ.model_copy(update={"transfer": "arib-std-b67"})
HLG_WHITE = 0.75
"""BT.2408: HLG's code for diffuse white."""
WHITE_CODES = range(205, 226)
"""Diffuse white is bright in SDR but leaves room for highlights: 86 to 95 % of the code range."""
HUE_TOLERANCE = 3
"""Degrees: two roundings of chroma to whole codes of 10 bits, and the gamma between the two spaces."""


def flat(values: tuple[int, int, int], depth: Literal[8, 10] = 10, chroma: ChromaFormat = "420") -> Picture:
    layout = PixelLayout(chroma=chroma, depth=depth)
    dtype: Any = np.uint8 if depth == 8 else np.uint16
    small = layout.chroma_size(16, 16)[::-1]
    shapes = [(16, 16), small, small] if chroma != "gray" else [(16, 16)]
    return Picture(tuple(np.full(s, v, dtype) for s, v in zip(shapes, values, strict=False)), layout)


def ycc(rgb: tuple[float, float, float], luma: tuple[float, float, float]) -> tuple[int, int, int]:
    """Codes of 10 bits, limited range, of R'G'B' from 0 to 1."""
    y = sum(weight * value for weight, value in zip(luma, rgb, strict=True))
    blue, red = (rgb[2] - y) / (2 - 2 * luma[2]), (rgb[0] - y) / (2 - 2 * luma[0])
    return round(64 + 876 * y), round(512 + 896 * blue), round(512 + 896 * red)


def rgb_of(picture: Picture) -> tuple[float, float, float]:
    y, blue, red = (float(plane[4, 4]) for plane in picture.planes)
    y, blue, red = (y - 64) / 876, (blue - 512) / 896, (red - 512) / 896
    r, b = y + (2 - 2 * BT709_LUMA[0]) * red, y + (2 - 2 * BT709_LUMA[2]) * blue
    return r, (y - BT709_LUMA[0] * r - BT709_LUMA[2] * b) / BT709_LUMA[1], b


def test_pq_is_its_own_inverse_and_meets_the_standard() -> None:
    light = np.array([0.1, 1, 100, 203, 1000, 10000.0])
    assert np.allclose(pq_light(pq_code(light)), light)
    # BT.2408 table 1: 203 cd/m2 is 58 % of PQ
    assert round(float(pq_code(np.array(203.0))), 2) == 0.58


def test_the_tone_curve_leaves_shadows_and_ends_at_white() -> None:
    assert np.allclose(tone_curve(np.array([1.0, 50.0])), [1, 50])
    assert np.allclose(tone_curve(np.array([1000.0, 4000.0])), 203)


@pytest.mark.parametrize("colour", [PQ, HLG])
@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
def test_a_grey_ramp_stays_grey_and_rises(colour: Colour, chroma: ChromaFormat) -> None:
    levels = [int(flat_sdr.planes[0][0, 0]) for flat_sdr in _ramp(colour, chroma)]
    assert levels == sorted(levels)
    assert levels[0] == 64
    assert levels[-1] == 940
    for picture in _ramp(colour, chroma):
        assert all((plane == 512).all() for plane in picture.planes[1:])


def _ramp(colour: Colour, chroma: ChromaFormat) -> list[Picture]:
    return [to_sdr(flat((level, 512, 512), chroma=chroma), colour) for level in range(64, 941, 12)]


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize(("colour", "white"), [(PQ, float(pq_code(np.array(203.0)))), (HLG, HLG_WHITE)])
def test_diffuse_white_is_bright_but_not_clipped(colour: Colour, white: float, depth: Literal[8, 10]) -> None:
    scale = 1 << (depth - 8)
    level = round((16 + 219 * white) * scale)
    sdr = to_sdr(flat((level, 128 * scale, 128 * scale), depth), colour)
    assert int(sdr.planes[0][0, 0]) // scale in WHITE_CODES
    assert sdr.layout.depth == depth


@pytest.mark.parametrize("light", [20.0, 100.0, 600.0])
@pytest.mark.parametrize("weights", [(1.0, 0.5, 0.4), (0.4, 1.0, 0.5), (0.45, 0.5, 1.0), (1.0, 0.9, 0.5)])
def test_colours_keep_their_hue(light: float, weights: tuple[float, float, float]) -> None:
    matrix = np.array(
        # BT.2087: BT.709 light to BT.2020 light
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    )
    coded = pq_code(matrix @ (np.array(weights) * light))
    codes = ycc((float(coded[0]), float(coded[1]), float(coded[2])), BT2020_LUMA)
    shown = np.array(rgb_of(to_sdr(flat(codes, chroma="444"), PQ))) ** 2.4
    assert abs(_hue(shown) - _hue(np.array(weights))) < HUE_TOLERANCE


def _hue(rgb: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    red, green, blue = rgb / rgb.max()
    return float(np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)))


@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
@pytest.mark.parametrize("depth", [8, 10])
def test_planes_are_contiguous_as_those_of_every_picture(chroma: ChromaFormat, depth: Literal[8, 10]) -> None:
    sdr = to_sdr(flat((100, 128, 128), depth, chroma), PQ)
    assert all(plane.flags.c_contiguous for plane in sdr.planes)


def test_the_tags_say_what_the_samples_are() -> None:
    tags = sdr_colour(PQ)
    assert (tags.matrix, tags.primaries, tags.transfer, tags.full_range) == ("bt709",) * 3 + (False,)
    assert tags.siting == PQ.siting


def test_film_pictures_are_tone_mapped_when_asked() -> None:
    source = [flat((580, 512, 512))]
    video = stream(source[0], 1, colour=PQ, hdr="pq")
    film = Film(kind="frames", count=1)
    mapped = list(film_pictures(MemoryReader(source), film, 0, 1, video, tonemap=True))
    assert mapped[0].same_as(to_sdr(source[0], PQ))
    assert next(film_pictures(MemoryReader(source), film, 0, 1, video)).same_as(source[0])
