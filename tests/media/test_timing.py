from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.media.film import Film
from sakuga.media.timing import common_unit, progressive_track, regular_track, ticks
from tests.enhance.given import packets, regular_packets, video

RATES = [Fraction(r) for r in ("24000/1001", "24", "25", "30000/1001", "60", "45000/1499", "25/2")]
rates = st.sampled_from(RATES) | st.fractions(1, 240, max_denominator=2000)
instants = st.fractions(-1000, 1000, max_denominator=100_000)
MILLISECOND = Fraction(1, 1000)


@given(rates, instants, st.integers(1, 400))
def test_a_constant_rate_has_no_rounding_anywhere(rate: Fraction, start: Fraction, count: int) -> None:
    track = regular_track(Film(kind="frames", count=count), start, rate)
    assert [time * track.time_base for time in track.times] == [start + k / rate for k in range(count)]
    assert track.end * track.time_base == start + count / rate


@given(st.lists(instants, min_size=1, max_size=5))
def test_the_common_unit_holds_every_value_and_no_larger_one_does(values: list[Fraction]) -> None:
    unit = common_unit(*values)
    counts = [value / unit for value in values]
    assert all(count.denominator == 1 for count in counts)
    if any(values):
        assert common_unit(*counts) == 1


@given(instants, st.fractions(Fraction(1, 1000), 10, max_denominator=1000))
def test_ticks_are_the_nearest_whole_number(value: Fraction, unit: Fraction) -> None:
    assert abs(ticks(value, unit) * unit - value) <= unit / 2


@pytest.mark.parametrize("rate", RATES)
def test_times_that_a_container_rounded_are_made_exact_again(rate: Fraction) -> None:
    index = regular_packets(500, rate, start=Fraction(1, 8), tick=MILLISECOND)
    track = progressive_track(video(frame_rate=rate), index)
    assert track.rate == rate
    assert [time * track.time_base for time in track.times] == [Fraction(1, 8) + k / rate for k in range(500)]
    assert track.film == Film(kind="frames", count=500)


def test_a_variable_rate_keeps_the_times_of_the_packets() -> None:
    index = packets([7, 40, 90, 300], 320, MILLISECOND)
    track = progressive_track(video(constant_rate=False), index)
    assert (track.times, track.end, track.time_base, track.rate) == ((7, 40, 90, 300), 320, MILLISECOND, None)


def test_a_stream_that_only_claims_a_constant_rate_keeps_its_times() -> None:
    late = [0, 42, 83, 150, 167, 208]
    index = packets(late, 250, MILLISECOND)
    track = progressive_track(video(frame_rate=Fraction(24), constant_rate=True), index)
    assert track.rate is None
    assert track.times == tuple(late)
