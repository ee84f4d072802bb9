"""The measures mean what their formulas say."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.quality.measure import (
    channels,
    colour_errors,
    levels,
    longest_run,
    moved,
    psnr,
    scaled,
    ssim,
    thumbnail,
)

ROUNDING = 1e-3
"""Sums of float32 samples are exact to about this."""


def noise(seed: int, shape: tuple[int, int] = (48, 64)) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(16, 235, shape).astype(np.float32)


def stored(plane: NDArray[np.int64], depth: int) -> Plane:
    return plane.astype(np.uint8) if depth == 8 else plane.astype(np.uint16)


def test_psnr_of_a_constant_error_is_twenty_log_of_its_share_of_255() -> None:
    plane = noise(1)
    assert psnr(plane, plane + 5.1) == pytest.approx(20 * np.log10(255 / 5.1), abs=ROUNDING)


def test_psnr_of_equal_planes_is_its_upper_bound() -> None:
    assert psnr(noise(1), noise(1)) == 100


def test_ssim_is_one_for_equal_planes_and_low_for_unrelated_ones() -> None:
    assert ssim(noise(1), noise(1)) == pytest.approx(1, abs=ROUNDING)
    assert ssim(noise(1), noise(2)) < 0.1


def test_ssim_of_flat_planes_is_the_luminance_term() -> None:
    a, b = np.full((32, 32), 100, np.float32), np.full((32, 32), 120, np.float32)
    c1 = (0.01 * 255) ** 2
    # float32 sums of squares near 10^4 leave an error against c2 = 58.5
    assert ssim(a, b) == pytest.approx((2 * 100 * 120 + c1) / (100**2 + 120**2 + c1), abs=1e-2)


def test_ssim_punishes_blur_more_than_a_shift_of_brightness_of_equal_psnr() -> None:
    plane = noise(3)
    blurred = cv2.GaussianBlur(plane, (3, 3), 0.8).astype(np.float32)
    brighter = plane + np.float32(np.sqrt(np.mean((plane - blurred) ** 2)))
    assert psnr(plane, brighter) == pytest.approx(psnr(plane, blurred), abs=0.1)
    assert ssim(plane, brighter) > ssim(plane, blurred)


@pytest.mark.parametrize(
    ("depth", "full_range", "black", "white"),
    [(8, False, 16, 235), (8, True, 0, 255), (10, False, 64, 940), (10, True, 0, 1023)],
)
def test_black_and_white_have_the_same_levels_in_every_depth_and_range(
    depth: int, full_range: bool, black: int, white: int
) -> None:
    plane = np.array([[black, white]])
    assert levels(stored(plane, depth), depth, full_range)[0] == pytest.approx([16, 235], abs=ROUNDING)


@pytest.mark.parametrize(("depth", "full_range"), [(8, False), (8, True), (10, False), (10, True)])
def test_grey_chroma_has_the_same_level_in_every_depth_and_range(depth: int, full_range: bool) -> None:
    plane = np.array([[1 << (depth - 1)]])
    assert levels(stored(plane, depth), depth, full_range, chroma=True)[0, 0] == pytest.approx(
        128, abs=ROUNDING
    )


def test_shrinking_keeps_the_mean() -> None:
    plane = noise(4, (60, 90))
    small = scaled(plane, (30, 20))
    assert small.shape == (20, 30)
    assert float(small.mean()) == pytest.approx(float(plane.mean()), abs=ROUNDING)


def test_a_grey_picture_has_neutral_colour() -> None:
    grey = Picture((np.full((8, 8), 90, np.uint8),), PixelLayout(chroma="gray", depth=8))
    y, u, v = channels(grey, full_range=False)
    assert (float(y.mean()), float(u.mean()), float(v.mean())) == (90, 128, 128)
    assert u.shape == v.shape == (4, 4)


def test_colour_errors_are_signed_and_by_channel() -> None:
    plane = noise(5)
    errors = colour_errors((plane + 1, plane, plane - 2), (plane, plane, plane))
    assert errors == pytest.approx((1, 0, -2), abs=ROUNDING)


def test_a_small_thing_that_moves_is_movement_and_noise_is_not() -> None:
    still = np.full((36, 64), 100, np.float32)
    head = still.copy()
    head[10:16, 20:26] = 160
    assert moved(still, head) > 50
    assert moved(still, still + noise(6, (36, 64)) / np.float32(1000)) < 1


def test_a_thumbnail_has_the_same_levels_for_8_and_10_bits() -> None:
    samples = noise(7, (72, 128)).astype(np.uint8)
    eight = Picture((samples,), PixelLayout(chroma="gray", depth=8))
    ten = Picture((samples.astype(np.uint16) * 4,), PixelLayout(chroma="gray", depth=10))
    # 8-bit averages are rounded to a level
    assert np.abs(thumbnail(eight, False) - thumbnail(ten, False)).max() <= 0.51


@pytest.mark.parametrize(("flags", "run"), [("", 0), ("0110", 2), ("1011101", 3), ("000", 0)])
def test_the_longest_run_is_counted(flags: str, run: int) -> None:
    assert longest_run(np.array([flag == "1" for flag in flags], np.bool_)) == run
