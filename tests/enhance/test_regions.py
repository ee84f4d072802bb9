"""Regions hold every changed pixel and all it is seen from, and never cost more than the whole picture."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.enhance.regions import CELL, WORTHWHILE, Mask, changed_pixels, cover_changes
from sakuga.media.info import ChromaFormat
from sakuga.media.picture import Picture
from sakuga.models.base import Rect
from tests.media.pictures import noise

sides = st.integers(1, 200)
reaches = st.integers(0, 40)


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Changes in a few rectangles and dots of a picture of any size."""
    width, height = draw(sides), draw(sides)
    changed = np.zeros((height, width), np.uint8)
    for _ in range(draw(st.integers(0, 6))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        changed[
            y : y + draw(st.sampled_from((1, 1, 5, 40))), x : x + draw(st.sampled_from((1, 1, 9, 60)))
        ] = 255
    return changed


def seen(rect: Rect, margin: int, width: int, height: int) -> int:
    across = min(rect.right + margin, width) - max(rect.left - margin, 0)
    return across * (min(rect.bottom + margin, height) - max(rect.top - margin, 0))


@given(masks(), reaches, reaches)
def test_a_cover_holds_all_that_changes_and_costs_less_than_the_whole(
    changed: Mask, reach: int, margin: int
) -> None:
    height, width = changed.shape
    cover = cover_changes(changed, reach, margin)
    if cover is None:
        assert changed.any()
        return
    covered = np.zeros_like(changed)
    for rect in cover.regions:
        assert 0 <= rect.left < rect.right <= width
        assert 0 <= rect.top < rect.bottom <= height
        assert rect.left % CELL == rect.top % CELL == 0
        covered[rect.top : rect.bottom, rect.left : rect.right] = 255
    reached = np.asarray(cv2.dilate(changed, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)))
    assert not reached[covered == 0].any()
    for a, b in combinations(cover.regions, 2):
        assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top
    assert cover.pixels == sum(seen(rect, margin, width, height) for rect in cover.regions)
    assert cover.pixels <= WORTHWHILE * width * height


def picture_mask(*changes: tuple[int, int, int, int]) -> Mask:
    """Changes in (left, top, right, bottom) of an 854x480 picture."""
    changed = np.zeros((480, 854), np.uint8)
    for left, top, right, bottom in changes:
        changed[top:bottom, left:right] = 255
    return changed


def share(changed: Mask) -> float:
    cover = cover_changes(changed, 20, 20)
    return 1 if cover is None else cover.pixels / changed.size


def test_nothing_changed_needs_nothing() -> None:
    cover = cover_changes(picture_mask(), 20, 20)
    assert cover is not None
    assert (cover.regions, cover.pixels) == ((), 0)


def test_a_moving_mouth_is_one_small_region() -> None:
    cover = cover_changes(picture_mask((300, 200, 380, 240)), 20, 20)
    assert cover is not None
    assert len(cover.regions) == 1
    assert share(picture_mask((300, 200, 380, 240))) < 0.08


def test_changes_far_apart_are_regions_of_their_own_and_near_ones_share_one() -> None:
    apart = cover_changes(picture_mask((10, 10, 60, 60), (780, 400, 840, 470)), 20, 20)
    near = cover_changes(picture_mask((300, 200, 330, 240), (360, 200, 390, 240)), 20, 20)
    assert apart is not None
    assert near is not None
    assert (len(apart.regions), len(near.regions)) == (2, 1)


def test_the_legs_of_an_angle_are_split() -> None:
    assert share(picture_mask((100, 100, 700, 110), (100, 100, 110, 440))) < 0.35


def test_four_corners_are_found_though_no_single_cut_parts_them_all() -> None:
    corners = [(x, y, x + 20, y + 20) for x in (0, 834) for y in (0, 460)]
    assert share(picture_mask(*corners)) < 0.1


@pytest.mark.parametrize("density", [0.001, 0.16, 1.0])
def test_changes_everywhere_are_a_whole_picture(density: float) -> None:
    random = np.random.default_rng(1)
    changed = (random.random((480, 854)) < density).astype(np.uint8) * np.uint8(255)
    assert cover_changes(changed, 20, 20) is None


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
def test_a_changed_sample_of_any_plane_is_found_at_its_luma_place(chroma: ChromaFormat, depth: int) -> None:
    before = noise(3, (31, 21), chroma, depth)
    assert not changed_pixels(before, before).any()
    for number, plane in enumerate(before.planes):
        for row, column in ((0, 0), (plane.shape[0] - 1, plane.shape[1] - 1)):
            planes = [other.copy() for other in before.planes]
            planes[number][row, column] ^= 1
            found = changed_pixels(Picture(tuple(planes), before.layout), before)
            down, across = 1 + (plane.shape[0] < 21), 1 + (plane.shape[1] < 31)
            wanted = np.zeros((21, 31), np.uint8)
            wanted[row * down : (row + 1) * down, column * across : (column + 1) * across] = 255
            assert np.array_equal(found, wanted)
