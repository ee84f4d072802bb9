from fractions import Fraction
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.enhance.geometry import geometry
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import LimitError, OptionError
from sakuga.settings import Limits
from tests.enhance.given import video

Rotation = Literal[0, 90, 180, 270]
sides = st.integers(16, 2000)
EVEN = 1
"""Pixels that a side may be away from the exact size, as it must be even."""


def output(spec: dict[str, Any], **stream: Any) -> tuple[int, int]:  # noqa: ANN401 - fields of a stream
    return geometry(video(**stream), EnhanceSpec(**spec), Limits()).output


@given(sides, sides, st.fractions(1, 4, max_denominator=100), st.sampled_from([0, 90, 180, 270]))
def test_the_result_is_the_upright_source_times_the_scale(
    width: int, height: int, scale: Fraction, rotation: Rotation
) -> None:
    sizes = geometry(video(width=width, height=height, rotation=rotation), EnhanceSpec(scale=scale), Limits())
    assert sizes.stored == (width, height)
    assert sizes.upright == ((height, width) if rotation in (90, 270) else (width, height))
    for side, upright in zip(sizes.output, sizes.upright, strict=True):
        assert side % 2 == 0
        assert abs(side - upright * scale) <= EVEN


@pytest.mark.parametrize(
    ("size", "sar", "rotation", "expected"),
    [
        ((720, 480), "32/27", 0, (1706, 960)),
        ((720, 480), "8/9", 0, (1280, 960)),
        ((720, 576), "16/15", 0, (1536, 1152)),
        ((1440, 1080), "4/3", 0, (3840, 2160)),
        ((1440, 1080), "4/3", 90, (1620, 2880)),
        ((1440, 1080), "4/3", 180, (3840, 2160)),
    ],
)
def test_pixels_of_the_result_are_square_and_its_display_aspect_is_the_sources(
    size: tuple[int, int], sar: str, rotation: Rotation, expected: tuple[int, int]
) -> None:
    width, height = size
    assert output({}, width=width, height=height, sar=Fraction(sar), rotation=rotation) == expected


@pytest.mark.parametrize("sar", ["0", "1/100", "100", "-1"])
def test_a_pixel_aspect_that_cannot_be_true_counts_as_square(sar: str) -> None:
    assert output({}, sar=Fraction(sar)) == (1280, 960)


@given(sides, st.integers(30, 1000), st.data())
def test_a_height_sets_the_scale(width: int, height: int, data: st.DataObject) -> None:
    wanted = data.draw(st.integers(height, 4 * height))
    got = output({"height": wanted}, width=width, height=height)
    assert abs(got[1] - wanted) <= EVEN
    assert abs(got[0] - Fraction(width * wanted, height)) <= EVEN


@pytest.mark.parametrize("height", [479, 1921])
def test_a_height_outside_one_to_four_times_the_sources_is_refused_with_the_range(height: int) -> None:
    with pytest.raises(OptionError, match="from 480 to 1920"):
        output({"height": height})


def test_the_range_of_heights_is_that_of_the_upright_picture() -> None:
    assert output({"height": 1280}, rotation=90) == (960, 1280)
    with pytest.raises(OptionError, match="from 640 to 2560"):
        output({"height": 480}, rotation=90)


def test_a_source_of_one_pixel_gives_the_smallest_even_picture() -> None:
    assert output({"scale": "1"}, width=1, height=1) == (2, 2)


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(LimitError, match="1280x960"):
        geometry(video(), EnhanceSpec(), Limits(max_output_pixels=1280 * 960 - 1))


def test_a_side_longer_than_codecs_hold_is_refused() -> None:
    with pytest.raises(OptionError, match="16384"):
        output({}, width=8200, height=64)


@pytest.mark.parametrize(("codec", "shortest"), [("hevc", 16), ("av1", 64)])
def test_pictures_smaller_than_a_codecs_blocks_are_refused(codec: str, shortest: int) -> None:
    assert output({"codec": codec}, width=shortest, height=shortest // 2) == (2 * shortest, shortest)
    with pytest.raises(OptionError, match=f"{codec} needs {shortest}"):
        output({"codec": codec}, width=shortest, height=shortest // 2 - 1)
