"""Numbers and names as people read them."""

import re
from fractions import Fraction

import pytest

from sakuga.quality.words import container_text, duration_text, escaped, rate_text, share_text, size_text


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


@pytest.mark.parametrize(
    ("formats", "name", "text"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", "a.sakuga.MP4", "mp4"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "a.mov", "mov"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "named-wrongly.mkv", "mp4"),
        ("matroska,webm", "a.mkv", "mkv"),
        ("matroska,webm", "a.webm", "webm"),
        ("matroska,webm", "no-suffix", "mkv"),
        ("mpeg", "a.mpg", "mpg"),
        ("avi", "a.avi", "avi"),
    ],
)
def test_a_container_is_called_by_its_short_name(formats: str, name: str, text: str) -> None:
    assert container_text(formats, name) == text


@pytest.mark.parametrize("text", ["mov_text (SRT)", "<= 0.081 ms", ">= 41.4 dB here, C# too", "Y +0.01, 1:1"])
def test_what_markdown_shows_as_it_is_gets_no_backslash(text: str) -> None:
    assert escaped(f"at {text}") == f"at {text}"


@pytest.mark.parametrize(
    "text", ["# head", "> quote", "_slanted_ x", "a *b*", "<b>", "</b>", "head #", "[x](y)"]
)
def test_what_markdown_would_take_for_its_own_gets_a_backslash(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", escaped(text)) == text
    assert escaped(text) != text


def test_names_cannot_break_out_of_a_table_or_a_line() -> None:
    name = escaped("a|b\n# `rm` [x](http://y) <b>\x1b[31m\u202e")
    assert "\n" not in name
    assert "\x1b" not in name
    assert "\u202e" not in name
    assert all(name[at - 1] == "\\" for at, char in enumerate(name) if char in "|`[]<")
