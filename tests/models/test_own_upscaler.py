"""What our own networks promise besides what every upscaler does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.enhance.regions import changed_pixels, cover_changes
from sakuga.media.info import ChromaFormat, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.models.base import RegionUpscaler
from sakuga.models.own import own_cards
from sakuga.models.own_upscaler import Own
from tests.media.pictures import LIMITED, noise

NAMES = [card.name for card in own_cards()]
SIZES = st.tuples(st.integers(17, 90), st.integers(17, 70))
CHROMA: list[ChromaFormat] = ["gray", "420", "422", "444"]
DEPTHS = st.sampled_from([8, 10])

FLAT_MOST = 0
"""Codes that a flat area may be off, by construction."""


def changed(picture: Picture, left: int, top: int, side: int, seed: int) -> Picture:
    """The picture with other samples in a square."""
    other = noise(seed, (picture.width, picture.height), picture.layout.chroma, picture.layout.depth)
    planes: list[Plane] = []
    for plane, new in zip(picture.planes, other.planes, strict=True):
        across, down = -(-picture.width // plane.shape[1]), -(-picture.height // plane.shape[0])
        copy = plane.copy()
        place = (
            slice(top // down, (top + side) // down + 1),
            slice(left // across, (left + side) // across + 1),
        )
        copy[place] = new[place]
        planes.append(copy)
    return Picture(tuple(planes), picture.layout)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)
@given(
    size=SIZES,
    chroma=st.sampled_from(CHROMA),
    into=st.sampled_from(CHROMA),
    depth=DEPTHS,
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    side=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_what_is_computed_in_parts_is_the_whole(
    name: str,
    precision: str,
    size: tuple[int, int],
    chroma: ChromaFormat,
    into: ChromaFormat,
    depth: int,
    place: tuple[float, float],
    side: int,
    seed: int,
) -> None:
    upscaler = Own(name, precision)
    before = noise(seed, size, chroma, depth)
    left, top = (int(share * (length - 1)) for share, length in zip(place, size, strict=True))
    after = changed(before, left, top, side, seed + 1)
    twice, layout = (2 * size[0], 2 * size[1]), PixelLayout(chroma=into, depth=8)
    reach = upscaler.spread(after, twice)
    assert reach is not None
    cover = cover_changes(changed_pixels(after, before), reach, reach)
    whole = upscaler.upscale(after, twice, layout, LIMITED)
    if cover is not None:
        known = upscaler.upscale(before, twice, layout, LIMITED)
        parts = upscaler.upscale_regions(after, known, cover.regions, twice, layout, LIMITED)
        assert parts.same_as(whole)


@pytest.mark.parametrize("name", NAMES)
def test_parts_can_be_made_at_twice_the_size_only(name: str) -> None:
    upscaler, picture = Own(name), noise(1, (48, 40))
    assert isinstance(upscaler, RegionUpscaler)
    assert upscaler.spread(picture, (96, 80)) is not None
    assert upscaler.spread(picture, (48, 40)) is None
    assert upscaler.spread(picture, (144, 120)) is None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_a_flat_area_stays_exactly_as_it_is_at_every_level(name: str, precision: str) -> None:
    upscaler, layout = Own(name, precision), PixelLayout(chroma="gray", depth=10)
    for code in range(0, 1024, 31):
        picture = Picture((np.full((24, 24), code, np.uint16),), layout)
        result = upscaler.upscale(picture, (48, 48), layout, LIMITED).planes[0].astype(int)
        assert np.abs(result - code).max() <= FLAT_MOST, code
