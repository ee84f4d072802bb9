import numpy as np
import pytest

from sakuga.analysis.decimate import keep_frames
from sakuga.analysis.fields import comb, fields_of, measure
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from tests.media.pictures import noise

EVERYWHERE = np.full((32, 64), 255, np.uint8)


def field(edge: int, lines: int = 32) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = np.full((lines, 64), 40, np.uint8)
    picture[:, :edge] = 200
    return picture


def test_fields_of_one_picture_are_not_combed() -> None:
    assert comb(field(30), field(30), EVERYWHERE) == 0


def test_combing_grows_with_the_distance_between_the_fields() -> None:
    amounts = [comb(field(30), field(30 + far), EVERYWHERE) for far in (0, 2, 6, 12)]
    assert amounts == sorted(amounts)
    assert amounts[1] > 0


def test_lines_that_stand_still_are_no_combing() -> None:
    top, bottom = np.full((32, 64), 30, np.uint8), np.full((32, 64), 220, np.uint8)
    assert comb(top, bottom, np.zeros_like(top)) == 0
    assert comb(top, bottom, EVERYWHERE) > 0


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (16, 8), (1921, 9)])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_size_and_number_of_frames_can_be_measured(size: tuple[int, int], count: int) -> None:
    measures = measure([noise(seed, size) for seed in range(count)])
    assert len(measures) == count
    assert np.isfinite(measures.here).all()
    assert np.isnan(measures.before[0])
    assert np.isnan(measures.after[-1])


def test_ten_bits_measure_as_eight() -> None:
    eight = noise(3, (64, 32), "gray")
    ten = Picture((eight.planes[0].astype(np.uint16) * np.uint16(4),), PixelLayout(chroma="gray", depth=10))
    assert all(np.array_equal(a, b) for a, b in zip(fields_of(eight), fields_of(ten), strict=True))


def test_progress_counts_the_frames_that_were_read() -> None:
    seen: list[int] = []
    measure([noise(seed, (16, 16)) for seed in range(4)], seen.append)
    assert seen == [1, 2, 3, 4]


def test_one_frame_of_every_cycle_is_dropped() -> None:
    change = np.array([np.inf, 0, 9, 9, 9, 9, 0.1, 9, 9, 9, 9, 9, 9, 9, 0.2])
    kept, dropped = keep_frames(change, 5)
    assert dropped == [1, 6, 14]
    assert sorted(kept + dropped) == list(range(15))


def test_where_all_frames_are_equal_the_place_of_the_last_cycle_is_kept() -> None:
    change = np.array([np.inf, 9, 9, 0, 9, 0, 0, 0, 0, 0, 9, 9, 9, 0, 9])
    assert keep_frames(change, 5)[1] == [3, 8, 13]


def test_a_last_cycle_without_a_plain_duplicate_is_kept_whole() -> None:
    change = np.array([np.inf, 0, 9, 9, 9, 9, 8, 9])
    assert keep_frames(change, 5)[1] == [1]
    change[6] = 0
    assert keep_frames(change, 5)[1] == [1, 6]
