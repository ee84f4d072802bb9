"""Numbers and names as people read them."""

from fractions import Fraction

import pytest

from sakuga.quality.words import duration_text, escaped, rate_text, share_text, size_text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Fraction(24000, 1001), "23.976 fps (24000/1001)"),
        (Fraction(25), "25 fps"),
        (Fraction(45000, 1499), "30.020 fps (45000/1499)"),
        (None, "variable"),
    ],
)
def test_rates_say_their_exact_fraction(rate: Fraction | None, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0.40 s"),
        (Fraction(15, 2), "7.5 s"),
        (59.97, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3725, "1 h 02 min 05 s"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float | Fraction, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(812, "812 bytes"), (14_200, "14.2 kB"), (999_960, "1.0 MB"), (3 * 10**15, "3000.0 TB")],
)
def test_sizes_have_the_unit_that_fits(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_share_of_nothing_is_zero() -> None:
    assert share_text(0, 0) == "0 %"
    assert share_text(1, 4) == "25 %"


def test_names_cannot_break_out_of_a_table_or_a_line() -> None:
    name = escaped("a|b\n# `rm` [x](http://y) <b>\x1b[31m\u202e")
    assert "\n" not in name
    assert "\x1b" not in name
    assert "\u202e" not in name
    assert all(name[at - 1] == "\\" for at, char in enumerate(name) if char in "|`[]<>#")
