"""The three functions that stand in for torchvision's."""

import pytest

pytest.importorskip("torch")

import torch

from sakuga.models.networks.torchvision_part import InterpolationMode, normalize, rotate

CLOSE = 1e-5
"""Of 1: rounding of a sampling grid in fp32."""


def test_channels_are_normalised_each_by_its_own_numbers() -> None:
    picture = torch.rand(2, 3, 4, 5)
    result = normalize(picture, [0.5, 0.25, 0.0], [0.5, 1.0, 2.0])
    assert torch.equal(result[:, 0], (picture[:, 0] - 0.5) / 0.5)
    assert torch.equal(result[:, 1], picture[:, 1] - 0.25)
    assert torch.equal(result[:, 2], picture[:, 2] / 2)


def test_normalising_leaves_the_picture_alone_but_where_it_is_asked_to() -> None:
    picture = torch.ones(3, 2, 2)
    result = normalize(picture, [1, 1, 1], [2, 2, 2])
    assert torch.equal(picture, torch.ones(3, 2, 2))
    assert normalize(picture, [1, 1, 1], [2, 2, 2], inplace=True) is picture
    assert torch.equal(picture, result)


def test_a_standard_deviation_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="deviation"):
        normalize(torch.ones(3, 2, 2), [0, 0, 0], [1, 0, 1])


@pytest.mark.parametrize("mode", InterpolationMode)
@pytest.mark.parametrize("quarters", [0, 1, 2, 3, -1])
def test_quarter_turns_of_a_square_move_pixels_against_the_clock(
    quarters: int, mode: InterpolationMode
) -> None:
    square = torch.rand(2, 3, 6, 6)
    turned = rotate(square, torch.tensor(90.0 * quarters), mode, fill=0)
    assert torch.allclose(turned, torch.rot90(square, quarters, (2, 3)), atol=CLOSE)


def test_a_wide_picture_keeps_its_shape_and_is_black_outside() -> None:
    picture = torch.rand(1, 1, 4, 8)
    turned = rotate(picture, 90.0, InterpolationMode.BILINEAR)
    assert turned.shape == picture.shape
    middle = torch.rot90(picture[..., 2:6], 1, (2, 3))
    assert torch.allclose(turned[..., 2:6], middle, atol=CLOSE)
    assert torch.count_nonzero(turned[..., [0, 1, 6, 7]] > CLOSE) == 0
    upside_down = rotate(picture, 180.0, InterpolationMode.BILINEAR)
    assert torch.allclose(upside_down, picture.flip(2, 3), atol=CLOSE)


def test_a_slanted_edge_is_blended_with_the_background_as_torchvision_does() -> None:
    # pixels of a white picture whose share inside is s become s, and s^2 where a background is given
    white = torch.ones(1, 1, 9, 9)
    once = rotate(white, 30.0, InterpolationMode.BILINEAR, fill=None)
    twice = rotate(white, 30.0, InterpolationMode.BILINEAR, fill=0)
    assert torch.allclose(twice, once**2, atol=CLOSE)
    assert ((once > 0.1) & (once < 0.9)).any()


def test_a_background_that_is_not_black_is_refused() -> None:
    with pytest.raises(ValueError, match="background"):
        rotate(torch.ones(1, 3, 4, 4), 10.0, fill=1)
