import numpy as np
import pytest

from training.leaves import leaves


def test_a_seed_always_gives_the_same_picture() -> None:
    assert np.array_equal(leaves(7, 96), leaves(7, 96))
    assert not np.array_equal(leaves(7, 96), leaves(8, 96))


@pytest.mark.parametrize("seed", range(4))
def test_most_of_a_picture_has_texture_as_photographs_have(seed: int) -> None:
    luma = leaves(seed, 192).mean(axis=2)
    steps = np.abs(np.diff(luma, axis=1))
    assert (steps < 1).mean() < 0.6
    assert steps.max() > 30


def test_a_picture_fills_what_was_asked_for() -> None:
    picture = leaves(3, 130)
    assert picture.shape == (130, 130, 3)
    assert picture.dtype == np.uint8
