"""Exact numbers as people and programs write them."""

from fractions import Fraction

import pytest
from pydantic import TypeAdapter, ValidationError

from sakuga.media.info import Rational

RATIONAL: TypeAdapter[Fraction] = TypeAdapter(Rational)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("24", 24),
        (" 24000/1001 ", Fraction(24000, 1001)),
        ("0.1", Fraction(1, 10)),
        ("1e-7", Fraction(1, 10**7)),
    ],
)
def test_numbers_are_exact(text: str, value: Fraction) -> None:
    assert RATIONAL.validate_python(text) == value


@pytest.mark.parametrize("text", ["1e999999999", "1E+99999", "1e-9999", "1/0", "many", "", "1e1_000"])
def test_what_is_no_number_or_would_fill_the_memory_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        RATIONAL.validate_python(text)
