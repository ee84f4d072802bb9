from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sakuga.enhance.cuts import REACH, SHORTEST, cut_points

gaps = st.lists(st.integers(1, 30), min_size=1, max_size=300)
lengths = st.fractions(1, 400, max_denominator=3)


def running(gaps: list[int]) -> tuple[list[int], int]:
    times = [0]
    for gap in gaps:
        times.append(times[-1] + gap)
    return times[:-1], times[-1]


@given(gaps, lengths, st.sets(st.integers(1, 299)))
def test_cuts_start_at_the_first_frame_and_increase(
    gaps: list[int], length: Fraction, good: set[int]
) -> None:
    times, end = running(gaps)
    cuts = cut_points(times, end, length, sorted(frame for frame in good if frame < len(times)))
    assert cuts[0] == 0
    assert all(a < b for a, b in pairwise(cuts))
    assert cuts[-1] < len(times)


@given(gaps, lengths, st.sets(st.integers(1, 299)))
def test_chunks_are_near_their_target_and_none_at_the_end_is_tiny(
    gaps: list[int], length: Fraction, good: set[int]
) -> None:
    times, end = running(gaps)
    cuts = cut_points(times, end, length, sorted(frame for frame in good if frame < len(times)))
    longest_gap = max(gaps)
    for first, after in pairwise(cuts):
        assert times[after] - times[first] >= length * (1 - REACH)
        assert times[after] - times[first] < length * (1 + REACH) + longest_gap
    assert len(cuts) == 1 or end - times[cuts[-1]] >= length * SHORTEST
    assert end - times[cuts[-1]] < length * (1 + SHORTEST) + longest_gap


@given(st.integers(1, 40), st.integers(1, 10), st.integers(1, 20))
def test_without_keyframes_every_chunk_has_exactly_its_length(size: int, chunks: int, gap: int) -> None:
    times, end = running([gap] * (size * chunks))
    assert cut_points(times, end, Fraction(size * gap), []) == list(range(0, size * chunks, size))


def test_a_keyframe_within_reach_is_taken_the_nearest_first() -> None:
    times, end = list(range(96)), 96
    assert cut_points(times, end, Fraction(30), [25, 33]) == [0, 33, 63]
    assert cut_points(times, end, Fraction(30), [27, 33]) == [0, 27, 57]
    assert cut_points(times, end, Fraction(30), [17, 43]) == [0, 30, 60]


def test_a_keyframe_that_would_leave_a_tiny_tail_is_not_taken() -> None:
    assert cut_points(list(range(44)), 44, Fraction(30), [35]) == [0, 30]
    assert cut_points(list(range(44)), 44, Fraction(30), [34]) == [0, 34]


def test_a_tail_under_a_third_is_part_of_the_chunk_before_it() -> None:
    assert cut_points(list(range(39)), 39, Fraction(30), []) == [0]
    assert cut_points(list(range(40)), 40, Fraction(30), []) == [0, 30]


def test_a_frame_longer_than_a_chunk_is_a_chunk() -> None:
    assert cut_points([0, 100, 101, 300], 310, Fraction(10), []) == [0, 1, 3]
