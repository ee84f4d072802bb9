"""Mixing of channels, limiting, ducking and looping, for any sound."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.channels import CHANNELS, downmix
from sakuga.episode.limiter import CONTEXT, limited, true_peaks
from sakuga.episode.loudness import measure
from sakuga.episode.parts import Ducking, Part, added_up, closed
from sakuga.episode.spec import Layout
from sakuga.episode.wav import BLOCK, RATE, Samples, silence
from tests.episode.sounds import noise, repeated, tone

HALF_POWER = np.sqrt(0.5)
ROUNDING = 1e-6
"""Of samples of 32 bits."""

FIVE = ["FL", "FR", "FC", "LFE", "BL", "BR"]
SIDE = ["FL", "FR", "FC", "LFE", "SL", "SR"]
SEVEN = ["FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"]

levels = st.floats(-1, 1, width=32)


@pytest.mark.parametrize("names", [FIVE, SIDE])
def test_centre_and_surrounds_go_into_the_fronts_3_db_lower(names: list[str]) -> None:
    expected = [[1, 0], [0, 1], [HALF_POWER] * 2, [0, 0], [HALF_POWER, 0], [0, HALF_POWER]]
    assert np.allclose(downmix(names, "stereo"), expected)


@pytest.mark.parametrize("names", [FIVE, SIDE])
def test_5_1_stays_what_it_is(names: list[str]) -> None:
    assert np.array_equal(downmix(names, "5.1"), np.eye(6))


def test_sides_and_backs_share_the_surrounds() -> None:
    weights = downmix(SEVEN, "5.1")
    assert np.allclose(weights[:, 4], [0, 0, 0, 0, HALF_POWER, 0, HALF_POWER, 0])


@pytest.mark.parametrize(
    ("layout", "expected"), [("mono", [1]), ("stereo", [1, 1]), ("5.1", [0, 0, 1, 0, 0, 0])]
)
def test_one_channel_is_heard_from_the_front(layout: Layout, expected: list[int]) -> None:
    assert downmix(["FC"], layout).tolist() == [expected]


@pytest.mark.parametrize("layout", list(CHANNELS))
@given(names=st.lists(st.sampled_from([*SEVEN, "BC", "TFL", "NONE", "AMBI0"]), min_size=1, max_size=12))
def test_every_layout_has_its_weights(layout: Layout, names: list[str]) -> None:
    weights = downmix(names, layout)
    assert weights.shape == (len(names), len(CHANNELS[layout]))
    assert (weights >= 0).all()
    assert (weights <= 1).all()


def test_hands_are_not_swapped() -> None:
    weights = downmix(SEVEN, "stereo")
    left, right = weights[[0, 4, 6]], weights[[1, 5, 7]]
    assert (left[:, 0] > 0).all()
    assert (left[:, 1] == 0).all()
    assert np.array_equal(left, right[:, ::-1])


@st.composite
def spiky(draw: st.DrawFn) -> Samples:
    """Noise with peaks anywhere, up to 12 dB too high."""
    length = 2 * CONTEXT + draw(st.integers(1, 4000))
    wave = noise(length / RATE, 0.05, draw(st.integers(0, 1000)), channels=2)
    for place in draw(st.lists(st.integers(0, len(wave) - 1), max_size=30)):
        wave[place] = draw(st.floats(-4, 4, width=32))
    return wave


@given(spiky(), st.sampled_from([0.9, 0.5, 0.25]))
def test_no_sample_is_above_the_ceiling(wave: Samples, ceiling: float) -> None:
    assert np.abs(limited(wave, ceiling)).max() <= ceiling * (1 + ROUNDING)


@given(spiky(), st.data())
def test_limiting_does_not_depend_on_blocks(wave: Samples, data: st.DataObject) -> None:
    whole = limited(wave, 0.4)
    cut = data.draw(st.integers(1, len(whole)))
    first = limited(wave[: cut + 2 * CONTEXT], 0.4)
    assert np.allclose(first, whole[:cut], atol=ROUNDING)


def test_what_is_low_enough_is_not_touched() -> None:
    wave = noise(1, 0.05, channels=2)
    assert np.array_equal(limited(wave, 0.5), wave[CONTEXT:-CONTEXT])


def test_true_peaks_lie_between_samples() -> None:
    """At a quarter of the rate, with a phase of 45 degrees, samples miss the crest by 3 dB."""
    time = np.arange(4800)
    wave = np.sin(np.pi / 2 * time + np.pi / 4).astype(np.float32)[:, None]
    assert np.abs(wave).max() == pytest.approx(HALF_POWER, abs=1e-4)
    assert true_peaks(wave)[100:-100].max() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_loudness_is_that_of_the_standard(layout: Layout) -> None:
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS is -23 LUFS; one channel is 3 LU less."""
    wave = tone(5, 1000, 10 ** (-23 / 20))
    channels = len(CHANNELS[layout])
    found = measure([repeated(wave, channels)], layout)
    expected = {"mono": -26.01, "stereo": -23.0, "5.1": -26.01 + 10 * np.log10(3 + 2 * 1.41)}[layout]
    assert found.integrated == pytest.approx(expected, abs=0.1)
    assert found.true_peak == pytest.approx(-23, abs=0.1)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**5)), max_size=8), st.floats(1, 60))
def test_ducking_is_whole_under_speech_and_never_jumps(spans: list[tuple[int, int]], depth: float) -> None:
    speech = tuple(sorted((first, first + length) for first, length in spans))
    ducking = Ducking(speech, depth)
    gains = np.concatenate(
        [np.broadcast_to(ducking.gain(a, a + 50_000), 50_000) for a in range(0, 1_250_000, 50_000)]
    )
    for first, last in speech:
        assert np.allclose(20 * np.log10(gains[first:last]), -depth, atol=1e-3)
    assert np.abs(np.diff(20 * np.log10(gains))).max(initial=0) <= depth / 10_000
    if not speech:
        assert (gains == 1).all()


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 300)), max_size=12), st.integers(1, 200))
def test_ranges_are_joined_in_order(spans: list[tuple[int, int]], gap: int) -> None:
    joined = closed(tuple((first, first + length) for first, length in spans), gap)
    assert all(b[0] - a[1] >= gap for a, b in pairwise(joined))
    covered = {place for first, last in joined for place in range(first, last)}
    assert all(first in covered and first + length - 1 in covered for first, length in spans)


@given(st.integers(1, BLOCK * 2), st.integers(0, BLOCK), st.integers(0, 400), st.integers(0, 400))
def test_parts_are_the_same_however_blocks_lie(length: int, first: int, fade_in: int, fade_out: int) -> None:
    wave = noise(length / RATE, 0.5)
    part = Part(first, first + length, lambda a, b: wave[a:b].copy(), fade_in, fade_out, 0.5)
    found = np.concatenate(list(added_up([part], first + length + 10, 1)))
    whole = silence(len(found), 1)
    part.add_to(whole, 0)
    assert np.allclose(found, whole, atol=ROUNDING)
    middle = slice(first + fade_in, max(first + fade_in, first + length - fade_out))
    assert np.allclose(found[middle], 0.5 * wave[fade_in : fade_in + len(found[middle])], atol=ROUNDING)
