from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.enhance.plan import WEIGHTS
from sakuga.enhance.resample import MAX_MIX, output_count, sources
from sakuga.enhance.spec import Interpolation
from sakuga.media.film import Film, FilmTrack
from sakuga.media.timing import regular_track
from tests.enhance.given import varying_track

RATES = [Fraction(r) for r in ("24000/1001", "24", "25", "30000/1001", "60", "45000/1499")]
METHODS: tuple[Interpolation, ...] = ("nearest", "blend", "flow")
rates = st.sampled_from(RATES) | st.fractions(1, 120, max_denominator=1500)
methods = st.sampled_from(METHODS)
ROUNDING = Fraction(1, 2 * WEIGHTS)
TICK = Fraction(1, 1000)


@st.composite
def varying_tracks(draw: st.DrawFn) -> FilmTrack:
    gaps = draw(st.lists(st.integers(1, 600), min_size=1, max_size=60))
    times = [draw(st.integers(-500, 500))]
    for gap in gaps:
        times.append(times[-1] + gap)
    return varying_track(times[:-1], times[-1], TICK)


def regular_tracks() -> st.SearchStrategy[FilmTrack]:
    return st.builds(
        lambda count, start, rate: regular_track(Film(kind="frames", count=count), start, rate),
        st.integers(1, 120),
        st.fractions(-5, 5, max_denominator=1000),
        rates,
    )


tracks = varying_tracks() | regular_tracks()


def seconds(track: FilmTrack) -> list[Fraction]:
    return [(time - track.times[0]) * track.time_base for time in track.times]


@given(tracks, rates)
def test_the_result_ends_within_half_an_output_frame_of_its_source(track: FilmTrack, rate: Fraction) -> None:
    duration = (track.end - track.times[0]) * track.time_base
    count = output_count(track, rate)
    assert abs(count / rate - duration) <= 1 / (2 * rate) or (count == 1 and duration < 1 / rate)


def test_an_end_rounded_up_to_a_millisecond_does_not_add_a_frame() -> None:
    times = [round(1000 * k / 30) for k in range(301)]
    assert output_count(varying_track(times[:-1], times[-1] + 1), Fraction(24)) == 240


@given(tracks, rates, methods)
def test_sources_exist_and_never_go_back(track: FilmTrack, rate: Fraction, method: Interpolation) -> None:
    left, weight = sources(track, rate, output_count(track, rate), method)
    assert left[0] == weight[0] == 0
    assert all(0 <= w < WEIGHTS for w in weight)
    assert all(k + (w > 0) < track.film.count for k, w in zip(left, weight, strict=True))
    assert all(before <= after for before, after in pairwise(zip(left, weight, strict=True)))


@given(regular_tracks(), rates)
def test_a_mix_stands_for_its_exact_time(track: FilmTrack, rate: Fraction) -> None:
    count = output_count(track, rate)
    left, weight = sources(track, rate, count, "blend")
    film = seconds(track)
    for j in range(count):
        if j / rate >= film[-1]:
            assert (left[j], weight[j]) == (len(film) - 1, 0)
        elif film[1] - film[0] <= MAX_MIX:
            gap = film[1] - film[0]
            position = left[j] + Fraction(weight[j], WEIGHTS)
            assert abs(position - (j / rate) / gap) <= ROUNDING


@given(tracks, rates)
def test_flow_and_blend_are_planned_alike(track: FilmTrack, rate: Fraction) -> None:
    count = output_count(track, rate)
    assert sources(track, rate, count, "flow") == sources(track, rate, count, "blend")


@given(tracks, rates)
def test_nearest_never_mixes_and_is_never_early_by_more_than_half_an_output_frame(
    track: FilmTrack, rate: Fraction
) -> None:
    count = output_count(track, rate)
    left, weight = sources(track, rate, count, "nearest")
    film = seconds(track)
    assert not any(weight)
    for j, k in enumerate(left):
        t = j / rate
        assert film[k] - t < 1 / (2 * rate)
        assert k == len(film) - 1 or film[k + 1] > t


@given(regular_tracks(), rates)
def test_nearest_is_nearest_in_time_where_frames_are_dropped(track: FilmTrack, rate: Fraction) -> None:
    assert track.rate is not None
    if rate > track.rate:
        return
    count = output_count(track, rate)
    left, _ = sources(track, rate, count, "nearest")
    film = seconds(track)
    for j, k in enumerate(left):
        assert k == min(range(len(film)), key=lambda frame: (abs(film[frame] - j / rate), frame))


@given(varying_tracks(), rates, methods)
def test_film_that_is_held_long_does_not_change_before_its_time(
    track: FilmTrack, rate: Fraction, method: Interpolation
) -> None:
    count = output_count(track, rate)
    left, weight = sources(track, rate, count, method)
    film = seconds(track)
    for j in range(count):
        shown = left[j] + (weight[j] > 0)
        if shown and film[shown] - film[shown - 1] > MAX_MIX:
            assert film[shown] - j / rate < 1 / (2 * rate)


@pytest.mark.parametrize("method", METHODS)
def test_every_second_frame_is_taken_when_the_rate_is_halved(method: Interpolation) -> None:
    track = regular_track(Film(kind="frames", count=60), Fraction(0), Fraction(60))
    assert sources(track, Fraction(30), 30, method) == (tuple(range(0, 60, 2)), (0,) * 30)


def test_doubling_the_rate_puts_one_even_mix_between_frames() -> None:
    track = regular_track(Film(kind="frames", count=4), Fraction(0), Fraction(24))
    left, weight = sources(track, Fraction(48), 8, "flow")
    assert left == (0, 0, 1, 1, 2, 2, 3, 3)
    assert weight == (0, WEIGHTS // 2, 0, WEIGHTS // 2, 0, WEIGHTS // 2, 0, 0)


def test_times_rounded_to_milliseconds_are_not_mixed_at_their_own_rate() -> None:
    times = [round(1000 * k / 24) for k in range(240)]
    times[100:] = [time + 42 for time in times[100:]]
    left, weight = sources(varying_track(times, times[-1] + 42), Fraction(24), 241, "flow")
    assert [left[j] for j in (0, 99, 101, 240)] == [0, 99, 100, 239]
    assert [j for j in range(241) if weight[j]] == [100]


def test_times_in_coarse_ticks_are_still_mixed() -> None:
    track = varying_track([0, 2, 4], 6, Fraction(1, 100))
    assert sources(track, Fraction(100), 4, "blend")[1] == (0, WEIGHTS // 2, 0, WEIGHTS // 2)
