import math

import cv2
import numpy as np
import pytest

from sakuga.media.kernels import Floats
from training.drawings import drawing
from training.measures import mean_of, measures, ssim
from training.still import from_rgb


def luma() -> Floats:
    return from_rgb(drawing(21, 160)).luma


def test_a_picture_is_equal_to_itself() -> None:
    found = measures(luma(), luma())
    assert math.isinf(found.psnr)
    assert found.ssim == pytest.approx(1)
    assert found.sharpness == pytest.approx(1)
    assert found.halo == 0


def test_a_known_error_has_the_known_psnr() -> None:
    assert measures(luma() + np.float32(0.01), luma()).psnr == pytest.approx(40, abs=0.01)


def test_blurred_lines_are_less_sharp_and_have_no_halos() -> None:
    found = measures(cv2.GaussianBlur(luma(), (0, 0), 1.0).astype(np.float32), luma())
    assert found.sharpness < 0.8
    assert found.halo < 0.05
    assert found.ssim < 0.99


def test_sharpened_lines_are_sharper_and_have_halos() -> None:
    blurred = cv2.GaussianBlur(luma(), (0, 0), 1.0)
    found = measures((2 * luma() - blurred).astype(np.float32), luma())
    assert found.sharpness > 1.1
    assert found.halo > 1


def test_ssim_falls_with_noise() -> None:
    random = np.random.default_rng(3)
    little, much = (
        ssim((luma() + random.normal(0, sigma, (160, 160))).astype(np.float32), luma())
        for sigma in (0.01, 0.05)
    )
    assert 1 > little > much > 0


def test_the_mean_is_taken_of_each_measure() -> None:
    one, other = measures(luma() + np.float32(0.01), luma()), measures(luma() + np.float32(0.1), luma())
    assert mean_of([one, other]).psnr == pytest.approx((one.psnr + other.psnr) / 2)
