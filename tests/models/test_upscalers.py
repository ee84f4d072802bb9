"""What every upscaler promises, whatever is inside."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.errors import OptionError
from sakuga.media.info import ChromaFormat, Colour, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.models.base import ModelChoice, Upscaler
from sakuga.models.registry import built_in_cards, load_upscaler
from tests.clips import numbered
from tests.media.pictures import LIMITED, noise

FULL = LIMITED.model_copy(update={"full_range": True})
SIZE = (96, 64)
YUV420 = PixelLayout(chroma="420", depth=8)
YUV420P10 = PixelLayout(chroma="420", depth=10)
MEAN_ERROR = 1.0
"""Of 255: what a channel's mean may change by, as the colour contract says."""
PLACE = 0.25
"""Source pixels by which the middle of a shape may move: less than anyone sees."""

FLAT_MEAN = 0.5
"""Codes that a flat area's mean may be off: acnet-gan and acnet-hdn3 make four slightly different pixels of
one, whose mean is right but which may round to neighbouring codes."""

BUILT_IN = tuple(card.name for card in built_in_cards())
every_model = pytest.mark.parametrize("name", BUILT_IN)


def load(name: str) -> Upscaler:
    return load_upscaler(ModelChoice(name=name))


def samples(values: NDArray[Any], layout: PixelLayout) -> Plane:
    return values.astype(np.uint8) if layout.depth == 8 else values.astype(np.uint16)


def drawing(layout: PixelLayout = YUV420) -> Picture:
    """A drawing in limited range, whose blocks and disc have sharp edges."""
    rgb = numbered(5, *SIZE)
    luma, red, blue = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    unit = 4 if layout.depth == 10 else 1
    planes = [(16 + luma.astype(np.float32) * 219 / 255) * unit]
    if layout.chroma != "gray":
        size = layout.chroma_size(*SIZE)
        small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (blue, red)]
        planes += [(128 + (plane.astype(np.float32) - 128) * 224 / 255) * unit for plane in small]
    return Picture(tuple(samples(np.rint(plane), layout) for plane in planes), layout)


def flat(code: int, depth: int = 8) -> Picture:
    layout = YUV420 if depth == 8 else YUV420P10
    shapes = ((32, 48), (16, 24), (16, 24))
    return Picture(tuple(samples(np.full(shape, code), layout) for shape in shapes), layout)


def assert_flat(picture: Picture, code: int) -> None:
    luma, *chroma = (plane.astype(np.int64) for plane in picture.planes)
    assert abs(luma - code).max() <= 1
    assert abs(float(luma.mean()) - code) < FLAT_MEAN
    assert all((plane == code).all() for plane in chroma)


@every_model
@pytest.mark.parametrize("scale", [Fraction(1), Fraction(3, 2), Fraction(2), Fraction(3), Fraction(4)])
def test_the_result_has_the_size_and_layout_asked_for(name: str, scale: Fraction) -> None:
    size = int(SIZE[0] * scale), int(SIZE[1] * scale)
    result = load(name).upscale(drawing(), size, YUV420P10, LIMITED)
    assert result.layout == YUV420P10
    assert [plane.shape for plane in result.planes] == [
        (size[1], size[0]),
        (size[1] // 2, size[0] // 2),
        (size[1] // 2, size[0] // 2),
    ]
    assert all(plane.dtype == np.uint16 and plane.flags.c_contiguous for plane in result.planes)


@every_model
@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
@pytest.mark.parametrize("depth", [8, 10])
def test_every_layout_is_taken(name: str, chroma: ChromaFormat, depth: int) -> None:
    source = drawing(PixelLayout(chroma=chroma, depth=10 if depth == 10 else 8))
    result = load(name).upscale(source, (192, 128), YUV420, LIMITED)
    expected = source.planes[0].mean() / (1 if depth == 8 else 4)
    assert abs(float(result.planes[0].mean() - expected)) < MEAN_ERROR


@every_model
def test_equal_pictures_give_equal_results(name: str) -> None:
    first = load(name).upscale(drawing(), (192, 128), YUV420, LIMITED)
    upscaler = load(name)
    upscaler.upscale(noise(1, SIZE), (192, 128), YUV420, LIMITED)
    assert upscaler.upscale(drawing(), (192, 128), YUV420, LIMITED).same_as(first)


@every_model
def test_several_threads_may_use_one_upscaler(name: str) -> None:
    upscaler = load(name)
    pictures = [noise(seed, SIZE) for seed in range(4)]
    alone = [upscaler.upscale(picture, (192, 128), YUV420, LIMITED) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda picture: upscaler.upscale(picture, (192, 128), YUV420, LIMITED), pictures)
        assert all(a.same_as(b) for a, b in zip(alone, together, strict=True))


@every_model
@pytest.mark.parametrize("colour", [LIMITED, FULL], ids=["limited", "full"])
@pytest.mark.parametrize("code", [0, 1, 16, 17, 64, 126, 128, 200, 235, 245, 254, 255])
def test_flat_colours_are_unchanged_also_beyond_black_and_white(name: str, colour: Colour, code: int) -> None:
    result = load(name).upscale(flat(code), (96, 64), YUV420, colour)
    assert_flat(result, code)


@every_model
@pytest.mark.parametrize("code", [64, 65, 66, 67, 501, 939, 1019])
def test_ten_bit_codes_are_unchanged(name: str, code: int) -> None:
    result = load(name).upscale(flat(code, 10), (96, 64), YUV420P10, LIMITED)
    assert_flat(result, code)


@every_model
@pytest.mark.parametrize("size", [(192, 128), (144, 96), (96, 64)])
def test_every_channel_keeps_its_mean(name: str, size: tuple[int, int]) -> None:
    source = drawing()
    result = load(name).upscale(source, size, YUV420, LIMITED)
    for before, after in zip(source.planes, result.planes, strict=True):
        assert abs(float(before.mean() - after.mean())) < MEAN_ERROR


@every_model
def test_shapes_stay_where_they_are(name: str) -> None:
    luma = np.full((64, 96), 40, np.uint8)
    luma[20:40, 31:47] = 200
    chroma = np.full((32, 48), 128, np.uint8)
    source = Picture((luma, chroma, chroma), YUV420)
    result = load(name).upscale(source, (192, 128), YUV420, LIMITED).planes[0]
    weight = np.clip(result.astype(float) - 60, 0, 100)
    x = float((weight.sum(axis=0) * (np.arange(192) + 0.5)).sum() / weight.sum()) / 2
    y = float((weight.sum(axis=1) * (np.arange(128) + 0.5)).sum() / weight.sum()) / 2
    assert abs(x - 39) < PLACE
    assert abs(y - 30) < PLACE


@every_model
def test_the_source_is_not_written_to(name: str) -> None:
    source = drawing()
    for plane in source.planes:
        plane.flags.writeable = False
    load(name).upscale(source, (192, 128), YUV420, LIMITED)
    assert source.same_as(drawing())


@every_model
def test_full_range_can_come_out_as_limited(name: str) -> None:
    white = load(name).upscale(flat(255), (96, 64), YUV420, FULL, LIMITED).planes[0]
    black = load(name).upscale(flat(0), (96, 64), YUV420, FULL, LIMITED).planes[0]
    assert set(white.ravel().tolist()) == {235}
    assert set(black.ravel().tolist()) == {16}


@every_model
def test_the_smallest_picture_is_taken(name: str) -> None:
    result = load(name).upscale(noise(3, (2, 2)), (4, 4), YUV420, LIMITED)
    assert (result.width, result.height) == (4, 4)


def test_a_network_is_not_just_a_filter() -> None:
    plain = load("lanczos").upscale(drawing(), (192, 128), YUV420, LIMITED)
    for name in BUILT_IN:
        if name != "lanczos":
            drawn = load(name).upscale(drawing(), (192, 128), YUV420, LIMITED)
            assert not drawn.same_as(plain), name


def test_every_model_has_a_card_and_a_digest_of_its_own() -> None:
    assert len({load(name).digest for name in BUILT_IN}) == len(BUILT_IN)
    assert all(load(card.name).name == card.name for card in built_in_cards())


def test_an_unknown_model_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(OptionError, match=r"no model 'acnet-hdn9'.*acnet-hdn0.*lanczos"):
        load("acnet-hdn9")
