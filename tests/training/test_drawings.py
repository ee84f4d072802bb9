import numpy as np
import pytest

from training.drawings import drawing


def test_a_seed_always_gives_the_same_drawing() -> None:
    assert np.array_equal(drawing(7, 96), drawing(7, 96))
    assert not np.array_equal(drawing(7, 96), drawing(8, 96))


@pytest.mark.parametrize("seed", range(4))
def test_a_drawing_has_flat_areas_and_sharp_lines(seed: int) -> None:
    luma = drawing(seed, 192).mean(axis=2)
    steps = np.abs(np.diff(luma, axis=1))
    assert (steps < 2).mean() > 0.3
    assert steps.max() > 60


def test_a_drawing_fills_what_was_asked_for() -> None:
    picture = drawing(3, 130)
    assert picture.shape == (130, 130, 3)
    assert picture.dtype == np.uint8
