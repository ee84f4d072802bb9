"""Sizes of units: what they promise whatever the chunks, the workers and their speeds are."""

import heapq
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sizing import FIRST, RESERVE, WORTH, Speeds, next_unit

UNIT_SECONDS = 300.0
PARAMETER_BYTES = 100_000
"""Prefect takes 524,288 bytes for all parameters of a run; the other ones are short."""

HALF_FRAME = 0.5
"""Units are cut at whole chunks; a share may be missed by a rounding error, not by a frame."""

START = 5.0
"""Seconds that a run takes to start."""


def speeds(*frames_per_second: float) -> Speeds:
    made = Speeds()
    for number, rate in enumerate(frames_per_second):
        made.note(f"gpu-{number}", round(rate * 1000), 1000)
    return made


def hand_out_all(
    frames: dict[int, int], missing: list[int], measured: list[float], true: list[float] | None = None
) -> tuple[list[list[int]], float]:
    """All units, in order, and the seconds until all are made; each worker asks when it has nothing to do.

    Workers are known to be as fast as `measured`, and are as fast as `true`.
    """
    known = speeds(*measured)
    online = [f"gpu-{number}" for number in range(max(1, len(measured)))]
    free = [(0.0, number) for number in range(len(online))]
    given_to: dict[int, tuple[float, float, int]] = {}
    units, left, end = [], list(missing), 0.0
    while left:
        now, number = heapq.heappop(free)
        unit = next_unit(
            left,
            frames,
            busy=round(
                sum(min(size, max(0.0, until - now) * rate) for until, rate, size in given_to.values())
            ),
            workers=len(online),
            together=known.together(online, len(online)),
            alone=known.of(online[number]),
            unit_seconds=UNIT_SECONDS,
        )
        units.append(unit)
        left = left[len(unit) :]
        rate = (true or measured)[number] if measured else 1.0
        size = sum(frames[chunk] for chunk in unit)
        until = now + START + size / rate
        given_to[number] = until, rate, size
        end = max(end, until)
        heapq.heappush(free, (until, number))
    return units, end


chunks = st.lists(st.integers(1, 3000), min_size=1, max_size=120).map(lambda sizes: dict(enumerate(sizes)))
rate = st.floats(0.5, 200)
rates = st.lists(rate, max_size=8)


@given(chunks, st.data(), rates)
def test_every_missing_chunk_is_in_exactly_one_unit_in_order(
    frames: dict[int, int], data: st.DataObject, measured: list[float]
) -> None:
    missing = sorted(data.draw(st.sets(st.sampled_from(sorted(frames)))))
    units, _ = hand_out_all(frames, missing, measured)
    assert [chunk for unit in units for chunk in unit] == missing
    assert all(units)


@given(chunks, st.integers(0, 10**6), rate, st.floats(1, 20))
def test_a_unit_is_never_longer_than_allowed_unless_one_chunk_is(
    frames: dict[int, int], busy: int, alone: float, workers: float
) -> None:
    unit = next_unit(
        sorted(frames),
        frames,
        busy=busy,
        workers=math.ceil(workers),
        together=alone * workers,
        alone=alone,
        unit_seconds=UNIT_SECONDS,
    )
    if len(unit) > 1:
        assert sum(frames[chunk] for chunk in unit) <= UNIT_SECONDS * alone + HALF_FRAME


def first_unit(count: int, workers: int, given: int) -> list[int]:
    frames = dict.fromkeys(range(count), 10)
    return next_unit(
        sorted(frames),
        frames,
        busy=0,
        workers=workers,
        together=None,
        alone=None,
        unit_seconds=UNIT_SECONDS,
        given=given,
    )


@given(st.integers(1, 5000), st.integers(1, 64), st.integers(0, 100))
def test_a_small_part_of_a_share_measures_how_fast_a_worker_is(count: int, workers: int, given: int) -> None:
    unit = first_unit(count, workers, given)
    assert unit == list(range(len(unit)))
    assert len(unit) == 1 or (workers > 1 and len(unit) <= count / workers / FIRST)


@given(st.integers(2, 64), st.integers(2, 20))
def test_workers_that_begin_together_end_their_first_units_one_after_another(workers: int, each: int) -> None:
    sizes = [len(first_unit(2 * each * FIRST * workers, workers, given)) for given in range(workers)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 2 * each
    assert each <= sizes[-1] <= each * (1 + 1 / workers)


@given(st.integers(2, 300), st.floats(1, 100))
def test_one_worker_gets_all_at_once_when_it_fits(count: int, alone: float) -> None:
    frames = dict.fromkeys(range(count), max(1, int(UNIT_SECONDS * alone / count)))
    fits = sum(frames.values()) / alone <= UNIT_SECONDS
    units, _ = hand_out_all(frames, list(frames), [alone])
    assert (len(units) == 1) == fits


@given(st.integers(200, 2000), st.lists(st.floats(5, 50), min_size=2, max_size=16))
def test_no_run_is_started_for_little_work_while_much_is_left(count: int, measured: list[float]) -> None:
    frames = dict.fromkeys(range(count), 10)
    together = sum(measured)
    units, _ = hand_out_all(frames, list(frames), measured)
    left = count * 10
    for unit in units:
        chunk_seconds = 10 / min(measured)
        if left / together * RESERVE >= WORTH:
            assert len(unit) * 10 / min(measured) >= WORTH - chunk_seconds
        left -= len(unit) * 10


@given(st.integers(50, 600), st.lists(st.floats(2, 20), min_size=1, max_size=16))
def test_workers_of_known_speed_all_end_within_a_chunk_of_each_other(
    count: int, measured: list[float]
) -> None:
    frames = dict.fromkeys(range(count), 20)
    units, seconds = hand_out_all(frames, list(frames), measured)
    ideal = 20 * count / sum(measured)
    starts = START * math.ceil(len(units) / len(measured) + 1)
    assert seconds <= ideal + 20 / min(measured) + starts


@pytest.mark.parametrize("wrong", [0.8, 0.9, 1.1, 1.25])
def test_a_worker_that_was_measured_wrong_costs_little(wrong: float) -> None:
    frames = dict.fromkeys(range(500), 20)
    measured = [2.5] * 8
    _, seconds = hand_out_all(frames, list(frames), measured, [2.5 * wrong] + [2.5] * 7)
    ideal = 20 * 500 / (2.5 * (7 + wrong))
    assert ideal / seconds > 0.9


def test_idle_workers_share_the_last_chunks_evenly() -> None:
    units, _ = hand_out_all(dict.fromkeys(range(8), 100), list(range(8)), [20.0] * 4)
    assert units == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_a_slow_worker_gets_less() -> None:
    frames = dict.fromkeys(range(1000), 100)
    units, _ = hand_out_all(frames, list(frames), [40.0, 10.0])
    assert len(units[1]) * 4 == pytest.approx(len(units[0]), abs=4)


def test_speeds_are_those_of_each_worker_and_of_the_mean_for_others() -> None:
    known = Speeds()
    assert (known.mean, known.of("gpu-0"), known.slowest(["gpu-0"]), known.together(["gpu-0"], 1)) == (
        None,
    ) * 4
    known.note("gpu-0", 100, 10)
    known.note("gpu-0", 300, 10)
    known.note("gpu-1", 100, 10)
    known.note("gpu-2", 0, 5)
    assert (known.of("gpu-0"), known.of("gpu-1"), known.of("gpu-2"), known.of(None)) == (20, 10, 15, 15)
    assert known.slowest(["gpu-0", "gpu-2"]) == 15
    assert known.slowest([]) == 15
    assert known.together(["gpu-0", "gpu-1"], 2) == 30
    # containers: one worker starts many, and their names are not known before
    assert known.together(["docker"], 4) == 60


def test_a_unit_of_very_many_tiny_chunks_is_short_enough_for_a_parameter_of_prefect() -> None:
    frames = dict.fromkeys(range(100_000, 200_000), 1)
    units, _ = hand_out_all(frames, list(frames), [1000.0])
    assert sum(map(len, units)) == len(frames)
    assert max(len(json.dumps(unit)) for unit in units) < PARAMETER_BYTES
