from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.media.info import ChromaFormat, Colour, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.media.resize import resize_chroma, resize_luma, resize_picture
from tests.media.pictures import LIMITED, noise

FULL = LIMITED.model_copy(update={"full_range": True})
SITINGS = ("left", "center", "topleft", "top", "bottomleft", "bottom")
PLACES = {
    "left": (0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0, 0),
    "top": (0.5, 0),
    "bottomleft": (0, 1),
    "bottom": (0.5, 1),
}
ROUNDING = 0.51
"""A sample is rounded to the nearest code, half a step off at most, plus the error of single precision."""
OFF_PLACE = 0.02
"""Of a sample: a widened kernel meets a ramp this exactly, whatever its phase."""
EDGE = 12
"""Samples near the border, where the edge repeats and a ramp is no ramp any more."""


def layout(chroma: ChromaFormat, depth: int = 8) -> PixelLayout:
    return PixelLayout(chroma=chroma, depth=10 if depth == 10 else 8)


def flat(codes: tuple[int, int, int], form: PixelLayout, size: tuple[int, int] = (32, 24)) -> Picture:
    width, height = form.chroma_size(*size)
    shapes = [(size[1], size[0]), *([(height, width)] * (0 if form.chroma == "gray" else 2))]
    planes: list[Plane] = []
    for shape, code in zip(shapes, codes, strict=False):
        plane = np.full(shape, code)
        planes.append(plane.astype(np.uint8) if form.depth == 8 else plane.astype(np.uint16))
    return Picture(tuple(planes), form)


def chroma_places(
    form: PixelLayout, siting: str, size: tuple[int, int]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Where chroma samples lie, in luma pixels from the picture's left and top edge."""
    width, height = form.chroma_size(*size)
    across = 2 * np.arange(width) + PLACES[siting][0] if width < size[0] else np.arange(width)
    down = 2 * np.arange(height) + PLACES[siting][1] if height < size[1] else np.arange(height)
    return across + 0.5, down + 0.5


@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize("before", ["420", "422", "444"])
@pytest.mark.parametrize("after", ["420", "422", "444"])
@pytest.mark.parametrize("size", [(192, 128), (96, 64), (144, 90), (384, 250)])
def test_chroma_stays_where_it_was_in_the_picture(
    siting: str, before: ChromaFormat, after: ChromaFormat, size: tuple[int, int]
) -> None:
    source_size = (96, 64)
    colour = Colour(**(LIMITED.model_dump() | {"siting": siting}))
    form = layout(before, 10)
    across, down = chroma_places(form, siting, source_size)
    ramp = (100 + 4 * across[None, :] + 4 * down[:, None]).round().astype(np.uint16)
    picture = Picture((np.zeros(source_size[::-1], np.uint16), ramp, ramp), form)
    result = resize_chroma(picture, size, layout(after, 10), colour)[0]
    across, down = chroma_places(layout(after), siting, size)
    across, down = across * source_size[0] / size[0], down * source_size[1] / size[1]
    expected = 100 + 4 * across[None, :] + 4 * down[:, None]
    inside = np.s_[EDGE:-EDGE, EDGE:-EDGE]
    assert np.abs(result - expected)[inside].max() <= 2 * ROUNDING + 0.5


@pytest.mark.parametrize("size", [(192, 128), (144, 96), (97, 65), (60, 40), (400, 34)])
def test_luma_keeps_its_place_at_any_ratio(size: tuple[int, int]) -> None:
    ramp = np.add.outer(np.arange(64, dtype=np.float32), np.arange(96, dtype=np.float32))
    result = resize_luma(ramp, size, "cubic")
    across = (np.arange(size[0]) + 0.5) * 96 / size[0] - 0.5
    down = (np.arange(size[1]) + 0.5) * 64 / size[1] - 0.5
    inside = np.s_[EDGE:-EDGE, EDGE:-EDGE]
    assert np.abs(result - np.add.outer(down, across))[inside].max() < OFF_PLACE


def test_a_fine_pattern_becomes_grey_when_it_is_made_smaller_than_it_can_be_drawn() -> None:
    stripes = np.tile(np.array([0, 255], np.float32), (64, 48))
    result = resize_luma(stripes, (32, 64))
    # unfiltered it would be 0 or 255 everywhere
    assert np.abs(result - 127.5)[:, 3:-3].max() < 6


def test_the_border_of_a_flat_picture_is_as_flat_as_its_middle() -> None:
    result = resize_picture(flat((200, 90, 170), layout("420")), (48, 36), layout("420"), LIMITED)
    assert [set(plane.ravel().tolist()) for plane in result.planes] == [{200}, {90}, {170}]


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("colour", [LIMITED, FULL], ids=["limited", "full"])
def test_eight_bits_become_ten_and_eight_again_without_a_change(chroma: ChromaFormat, colour: Colour) -> None:
    picture = noise(1, (32, 24), chroma)
    deeper = resize_picture(picture, (32, 24), layout(chroma, 10), colour)
    assert resize_picture(deeper, (32, 24), layout(chroma, 8), colour).same_as(picture)


def test_limited_range_codes_gain_two_bits_exactly() -> None:
    picture = noise(2, (32, 24))
    deeper = resize_picture(picture, (32, 24), layout("420", 10), LIMITED)
    for before, after in zip(picture.planes, deeper.planes, strict=True):
        assert np.array_equal(before.astype(np.uint16) << 2, after)


def test_full_range_becomes_limited_with_black_white_and_grey_where_they_belong() -> None:
    for code, expected in ((0, 16), (255, 235), (128, 126)):
        result = resize_picture(flat((code, 128, 255), layout("444")), (32, 24), layout("444"), FULL, LIMITED)
        assert [int(plane[0, 0]) for plane in result.planes] == [expected, 128, 240]


@pytest.mark.parametrize(("depth", "neutral"), [(8, 128), (10, 512)])
def test_grey_becomes_a_picture_without_colour(depth: int, neutral: int) -> None:
    result = resize_picture(flat((77, 0, 0), layout("gray")), (64, 48), layout("420", depth), LIMITED)
    assert [plane.shape for plane in result.planes] == [(48, 64), (24, 32), (24, 32)]
    assert {int(code) for plane in result.planes[1:] for code in plane.ravel()} == {neutral}


def test_a_picture_that_is_as_wanted_is_not_copied() -> None:
    picture = noise(3, (32, 24))
    assert resize_picture(picture, (32, 24), picture.layout, LIMITED) is picture


def test_noise_uses_every_code_and_never_wraps() -> None:
    picture = noise(4, (64, 48), depth=10)
    result = resize_picture(picture, (128, 96), layout("420", 10), LIMITED)
    assert all(int(plane.max()) <= 1023 for plane in result.planes)
    assert float(np.abs(result.planes[0][::2, ::2] / 1.0 - picture.planes[0]).mean()) < 1023 / 4


@pytest.mark.parametrize("chroma", get_args(ChromaFormat))
def test_an_odd_size_is_resampled_to_an_even_one(chroma: ChromaFormat) -> None:
    picture = noise(5, (33, 25), chroma)
    result = resize_picture(picture, (2 * 34, 2 * 26), layout("420"), LIMITED)
    assert [plane.shape for plane in result.planes] == [(52, 68), (26, 34), (26, 34)]


def test_down_and_up_by_a_fraction_keeps_a_smooth_picture() -> None:
    wave = 500 + 200 * np.sin(np.arange(96, dtype=np.float32) / 9)[None, :] * np.ones((64, 1), np.float32)
    size = (int(96 * Fraction(3, 2)), int(64 * Fraction(3, 2)))
    back = resize_luma(resize_luma(wave, size), (96, 64))
    assert float(np.abs(back - wave)[:, EDGE:-EDGE].max()) < 2
