"""Sizes of units: what they promise whatever the chunks, the workers and their speeds are."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.sizing import SHORTEST, Speeds, next_unit

UNIT_SECONDS = 300.0
PARAMETER_BYTES = 100_000
"""Prefect takes 524,288 bytes for all parameters of a run; the other ones are short."""

HALF_FRAME = 0.5
"""Units are cut at whole chunks; a share may be missed by a rounding error, not by a frame."""


def speeds(*frames_per_second: float) -> Speeds:
    made = Speeds()
    for number, rate in enumerate(frames_per_second):
        made.note(f"gpu-{number}", round(rate * 1000), 1000)
    return made


def hand_out_all(frames: dict[int, int], missing: list[int], workers: int, known: Speeds) -> list[list[int]]:
    """All units as they come when one worker at a time has nothing to do."""
    units, left = [], list(missing)
    while left:
        unit = next_unit(
            left, frames, workers=workers, sharing=workers, speeds=known, unit_seconds=UNIT_SECONDS
        )
        units.append(unit)
        left = left[len(unit) :]
    return units


chunks = st.lists(st.integers(1, 3000), min_size=1, max_size=120).map(lambda sizes: dict(enumerate(sizes)))
rates = st.lists(st.floats(0.5, 200), max_size=8).map(lambda values: speeds(*values))


@given(chunks, st.data(), st.integers(1, 20), rates)
def test_every_missing_chunk_is_in_exactly_one_unit_in_order(
    frames: dict[int, int], data: st.DataObject, workers: int, known: Speeds
) -> None:
    missing = sorted(data.draw(st.sets(st.sampled_from(sorted(frames)))))
    units = hand_out_all(frames, missing, workers, known)
    assert [chunk for unit in units for chunk in unit] == missing
    assert all(units)


@given(chunks, st.integers(1, 20), st.integers(1, 20), rates.filter(lambda known: known.mean is not None))
def test_a_unit_is_never_longer_than_allowed_unless_one_chunk_is(
    frames: dict[int, int], workers: int, sharing: int, known: Speeds
) -> None:
    unit = next_unit(
        sorted(frames), frames, workers=workers, sharing=sharing, speeds=known, unit_seconds=UNIT_SECONDS
    )
    rate = known.mean
    assert rate
    if len(unit) > 1:
        assert sum(frames[chunk] for chunk in unit) <= UNIT_SECONDS * rate + HALF_FRAME


@given(chunks, st.integers(1, 20))
def test_nothing_but_one_chunk_is_given_out_before_anything_was_measured(
    frames: dict[int, int], workers: int
) -> None:
    unit = next_unit(
        sorted(frames), frames, workers=workers, sharing=workers, speeds=Speeds(), unit_seconds=UNIT_SECONDS
    )
    assert unit == [0]


@given(st.integers(1, 400), st.integers(1, 500), st.integers(1, 16), st.floats(1, 100))
def test_units_shrink_towards_the_end(count: int, size: int, workers: int, rate: float) -> None:
    frames = dict.fromkeys(range(count), size)
    units = hand_out_all(frames, list(frames), workers, speeds(*[rate] * workers))
    lengths = [len(unit) for unit in units]
    # equal parts of what one worker gets may differ by the chunk that does not divide
    slack = 1 if workers == 1 else 0
    assert all(after <= before + slack for before, after in pairwise(lengths))


@given(st.integers(2, 300), st.floats(1, 100))
def test_one_worker_gets_all_at_once_when_it_fits(count: int, rate: float) -> None:
    frames = dict.fromkeys(range(count), max(1, int(UNIT_SECONDS * rate / count)))
    fits = sum(frames.values()) / rate <= UNIT_SECONDS
    units = hand_out_all(frames, list(frames), 1, speeds(rate))
    assert (len(units) == 1) == fits


@given(st.integers(100, 2000), st.integers(2, 16))
def test_short_units_are_given_out_only_when_little_is_left(count: int, workers: int) -> None:
    frames = dict.fromkeys(range(count), 10)
    units = hand_out_all(frames, list(frames), workers, speeds(*[10.0] * workers))
    assert all(len(unit) + 1 >= SHORTEST for unit in units[:-1])


def test_idle_workers_share_the_last_chunks_evenly() -> None:
    frames = dict.fromkeys(range(8), 100)
    left, units = list(frames), []
    for sharing in (4, 3, 2, 1):
        unit = next_unit(
            left, frames, workers=4, sharing=sharing, speeds=speeds(*[20.0] * 4), unit_seconds=UNIT_SECONDS
        )
        units.append(unit)
        left = left[len(unit) :]
    assert units == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_a_slow_worker_makes_the_units_of_all_smaller() -> None:
    frames = dict.fromkeys(range(1000), 100)
    sizes = [
        len(next_unit(list(frames), frames, workers=4, sharing=4, speeds=known, unit_seconds=10**6))
        for known in (speeds(40, 40, 40, 40), speeds(51, 51, 51, 7))
    ]
    assert sizes[1] < sizes[0] / 4


def test_speeds_are_those_of_each_worker_and_of_the_mean_for_others() -> None:
    known = Speeds()
    known.note("gpu-0", 100, 10)
    known.note("gpu-0", 300, 10)
    known.note("gpu-1", 100, 10)
    known.note("gpu-2", 0, 5)
    assert (known.of("gpu-0"), known.of("gpu-1"), known.of("gpu-2"), known.of(None)) == (20, 10, 15, 15)
    assert known.evenness == 10 / 15


def test_a_unit_of_very_many_tiny_chunks_is_short_enough_for_a_parameter_of_prefect() -> None:
    frames = dict.fromkeys(range(100_000, 200_000), 1)
    units = hand_out_all(frames, list(frames), workers=1, known=speeds(1000))
    assert sum(map(len, units)) == len(frames)
    assert max(len(json.dumps(unit)) for unit in units) < PARAMETER_BYTES
