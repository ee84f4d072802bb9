"""Tiles cover what they shall once, stay within their pixels, and blend without a change of level."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.errors import OutOfMemoryError
from sakuga.models.base import Rect

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from sakuga.models.tiles import (  # noqa: E402
    OVERLAP,
    SMALLEST,
    Budget,
    blended_bands,
    cores,
    exact_tiles,
    grown,
    pad_to_multiple,
    smallest_blend,
)

ROUNDING = 1e-6
"""Of samples from 0 to 1: two weights that sum to 1 in single precision."""

sizes = st.tuples(st.integers(1, 300), st.integers(1, 300))


def enlarged(picture: Tensor, scale: int) -> Tensor:
    return nn.functional.interpolate(picture, scale_factor=scale, mode="nearest")


def pixels_of(area: Rect) -> int:
    return area.width * area.height


def assert_covers(parts: list[Rect], area: Rect) -> None:
    """Every pixel of the area is in exactly one part, and no other pixel is."""
    count = torch.zeros((area.bottom, area.right), dtype=torch.int64)
    for part in parts:
        count[part.top : part.bottom, part.left : part.right] += 1
    assert bool((count[area.top :, area.left :] == 1).all())
    assert int(count.sum()) == pixels_of(area) == sum(map(pixels_of, parts))


@st.composite
def areas(draw: st.DrawFn) -> tuple[Rect, tuple[int, int]]:
    """A part of a picture, and the picture's size."""
    size = draw(sizes)
    left, top = draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))
    return Rect(left, top, draw(st.integers(left + 1, size[0])), draw(st.integers(top + 1, size[1]))), size


@given(area_of=areas(), halo=st.integers(0, 40), pixels=st.integers(1, 100_000))
def test_cores_cover_an_area_once_and_fit_with_their_halos(
    area_of: tuple[Rect, tuple[int, int]], halo: int, pixels: int
) -> None:
    area, size = area_of
    parts = cores(area, halo, size, pixels)
    assert_covers(parts, area)
    for part in parts:
        small = part.width <= SMALLEST and part.height <= SMALLEST
        assert small or pixels_of(grown(part, halo, size)) <= pixels


def test_a_picture_that_fits_is_one_tile() -> None:
    assert cores(Rect(0, 0, 854, 480), 18, (854, 480), 854 * 480) == [Rect(0, 0, 854, 480)]


def test_few_pixels_are_computed_twice() -> None:
    size = (854, 480)
    parts = cores(Rect(0, 0, *size), 18, size, 480 * 270)
    assert sum(pixels_of(grown(part, 18, size)) for part in parts) < 1.15 * 854 * 480


def test_tiles_come_one_by_one() -> None:
    begun: list[Rect] = []
    tiles = exact_tiles([Rect(0, 0, 64, 64)], 2, (64, 64), Budget(600), begun.append)
    next(tiles)
    assert len(begun) == 1


@pytest.mark.parametrize("room", [5000, 1200, 500])
def test_tiles_that_find_no_room_are_cut_until_they_do(room: int) -> None:
    size, budget = (120, 90), Budget(1 << 30)
    tried: list[int] = []

    def compute(core: Rect) -> Rect:
        tried.append(pixels_of(grown(core, 3, size)))
        if tried[-1] > room:
            raise OutOfMemoryError("No room; use a smaller picture.")
        return core

    areas = [Rect(0, 0, 120, 50), Rect(0, 50, 120, 90)]
    done = [core for core, _ in exact_tiles(areas, 3, size, budget, compute)]
    assert_covers(done, Rect(0, 0, 120, 90))
    assert budget.pixels <= room * 2
    tried.clear()
    list(exact_tiles(areas, 3, size, budget, compute))
    assert max(tried) <= room * 2


def test_a_tile_that_cannot_be_cut_further_ends_the_work() -> None:
    def compute(core: Rect) -> None:
        raise OutOfMemoryError(f"No room for {core}; use a smaller picture.")

    with pytest.raises(OutOfMemoryError, match="No room"):
        list(exact_tiles([Rect(0, 0, 64, 64)], 3, (64, 64), Budget(1 << 30), compute))


@settings(max_examples=50)
@given(
    size=st.tuples(st.integers(1, 260), st.integers(1, 260)),
    scale=st.integers(1, 3),
    pixels=st.integers(1, 30_000),
)
def test_blended_tiles_of_the_same_picture_are_that_picture(
    size: tuple[int, int], scale: int, pixels: int
) -> None:
    source = torch.rand((1, 3, size[1], size[0]), generator=torch.Generator().manual_seed(1))
    whole = enlarged(source, scale)
    largest = 0

    def compute(area: Rect) -> Tensor:
        nonlocal largest
        largest = max(largest, pixels_of(area))
        return enlarged(source[..., area.top : area.bottom, area.left : area.right], scale)

    row = 0
    for first, band in blended_bands(size, scale, pixels, compute):
        assert first == row
        expected = whole[:, :, first : first + band.shape[2]]
        assert band.shape == expected.shape
        assert float((band - expected).abs().max()) <= ROUNDING
        row += band.shape[2]
    assert row == size[1] * scale
    assert largest <= max(pixels, smallest_blend())


def test_a_cut_edge_is_left_to_the_neighbour() -> None:
    # what a network makes of a cut: the outermost pixels of every tile are wrong
    def compute(area: Rect) -> Tensor:
        tile: Tensor = torch.ones((1, 3, area.height, area.width))
        border = OVERLAP // 4
        if area.left:
            tile[..., :border] = 9
        if area.top:
            tile[..., :border, :] = 9
        if area.right < 200:
            tile[..., -border:] = 9
        if area.bottom < 180:
            tile[..., -border:, :] = 9
        return tile

    for _, band in blended_bands((200, 180), 1, 96**2, compute):
        assert float((band - 1).abs().max()) <= ROUNDING


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (8, 7), (9, 8)])
@pytest.mark.parametrize("multiple", [1, 2, 4, 8])
def test_a_picture_is_padded_to_multiples_and_keeps_its_pixels(size: tuple[int, int], multiple: int) -> None:
    rgb = torch.rand(1, 3, size[1], size[0])
    padded = pad_to_multiple(rgb, multiple)
    assert [-side // multiple * -multiple for side in rgb.shape[2:]] == list(padded.shape[2:])
    assert torch.equal(padded[..., : size[1], : size[0]], rgb)
    assert {*padded.flatten().tolist()} == {*rgb.flatten().tolist()}


def test_padding_mirrors() -> None:
    row = torch.tensor([1.0, 2, 3, 4, 5]).expand(1, 3, 4, 5)
    assert pad_to_multiple(row, 4)[0, 0, 0].tolist() == [1, 2, 3, 4, 5, 4, 3, 2]
