from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.episode.conform import Conform, matrix_between, placement
from sakuga.episode.form import Form, clip_colour
from sakuga.episode.spec import Fit
from sakuga.media.info import Colour, PixelLayout, VideoStream
from sakuga.media.picture import Picture
from sakuga.media.upright import upright_layout, upright_size
from sakuga.quality.colours import to_rgb
from tests.clips import numbered, read_number
from tests.enhance.given import BT709, video
from tests.episode.footages import form_of

NTSC = Colour(matrix="smpte170m", primaries="smpte170m", transfer="smpte170m", full_range=False)
WIDE = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=True)
CENTRED = BT709.model_copy(update={"siting": "center"})
ROUNDING = 2
"""Steps of 8 bits: two roundings there and two back; a step of chroma moves luma by up to half of one."""
SEEN = 3
"""Steps of 8 bits in red, green or blue: rounding of luma and of chroma, which counts up to 1.86 times."""


def stream(size: tuple[int, int], colour: Colour = BT709, **changes: Any) -> VideoStream:  # noqa: ANN401
    return video(width=size[0], height=size[1], colour=colour, **changes)


def conform(size: tuple[int, int], form: Form, fit: Fit = "fit", **changes: Any) -> Conform:  # noqa: ANN401
    return Conform(stream(size, **changes), fit, form)


def noise(size: tuple[int, int], layout: PixelLayout, low: int = 64, high: int = 192) -> Picture:
    """Samples at random, in 8-bit codes from `low` to `high`."""
    random = np.random.default_rng(5)
    unit = 1 << (layout.depth - 8)
    dtype: Any = np.uint8 if layout.depth == 8 else np.uint16
    shapes = [size[::-1], *([layout.chroma_size(*size)[::-1]] * (0 if layout.chroma == "gray" else 2))]
    return Picture(
        tuple(random.integers(low * unit, high * unit, shape).astype(dtype) for shape in shapes), layout
    )


def soft(size: tuple[int, int], layout: PixelLayout) -> Picture:
    """Colours that change slowly, so that chroma filters have nothing to blur."""
    planes = []
    for number in range(3):
        width, height = size if number == 0 else layout.chroma_size(*size)
        y, x = np.mgrid[0:height, 0:width]
        wave = np.sin(2 * np.pi * (x / width + number / 3)) + np.cos(2 * np.pi * y / height)
        planes.append((128 + (20 + 10 * (number == 0)) * wave).astype(np.uint8))
    return Picture(tuple(planes), layout)


def flat(size: tuple[int, int], codes: tuple[int, int, int], layout: PixelLayout) -> Picture:
    shapes = [size, layout.chroma_size(*size), layout.chroma_size(*size)]
    dtype: Any = np.uint8 if layout.depth == 8 else np.uint16
    return Picture(
        tuple(np.full(shape[::-1], code, dtype) for shape, code in zip(shapes, codes, strict=True)), layout
    )


def apart(one: Picture, other: Picture) -> int:
    return max(
        int(np.abs(a.astype(int) - b.astype(int)).max())
        for a, b in zip(one.planes, other.planes, strict=True)
    )


def test_a_picture_that_has_the_form_is_not_touched() -> None:
    form = form_of((64, 48))
    picture = noise((64, 48), form.layout, 0, 255)
    assert conform((64, 48), form)(picture) is picture


def test_another_matrix_is_converted_there_and_back_within_rounding() -> None:
    there, back = form_of((64, 48)), form_of((64, 48), colour=NTSC)
    picture = noise((64, 48), there.layout)
    modern = conform((64, 48), there, colour=NTSC)(picture)
    again = conform((64, 48), back, colour=BT709)(modern)
    assert apart(modern, picture) > 10
    assert apart(again, picture) <= ROUNDING


@pytest.mark.parametrize("colour", [NTSC, WIDE, CENTRED], ids=["matrix", "range", "siting"])
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
def test_what_is_seen_stays_the_same_whatever_stands_for_it(colour: Colour, chroma: Any) -> None:  # noqa: ANN401
    form = form_of((128, 96))
    layout = PixelLayout(chroma=chroma, depth=8)
    picture = soft((128, 96), layout)
    result = conform((128, 96), form, colour=colour, layout=layout)(picture)
    seen, before = to_rgb(result, form.colour), to_rgb(picture, colour)
    assert np.abs(seen.astype(int) - before.astype(int)).max() <= SEEN


@given(st.sampled_from(["smpte170m", "bt709", "bt2020nc", "fcc"]), st.sampled_from(["bt709", "smpte240m"]))
def test_a_matrix_never_gives_grey_a_colour(source: str, target: str) -> None:
    matrix = matrix_between(source, target)
    if matrix is not None:
        np.testing.assert_allclose(matrix[:, 0], [1, 0, 0], atol=1e-6)


def test_full_range_becomes_limited_and_back() -> None:
    limited, full = form_of((16, 16)), form_of((16, 16), colour=WIDE)
    for code, other in ((0, 16), (255, 235)):
        picture = flat((16, 16), (code, 128, 128), limited.layout)
        narrow = conform((16, 16), limited, colour=WIDE)(picture)
        assert {int(v) for v in np.unique(narrow.planes[0])} == {other}
        assert apart(conform((16, 16), full, colour=BT709)(narrow), picture) == 0


def test_ten_bits_become_eight() -> None:
    deep = PixelLayout(chroma="420", depth=10)
    form = form_of((16, 16))
    result = conform((16, 16), form, layout=deep)(flat((16, 16), (4 * 100, 4 * 90, 4 * 170), deep))
    assert apart(result, flat((16, 16), (100, 90, 170), form.layout)) == 0


def test_a_grey_clip_has_no_colour() -> None:
    grey = PixelLayout(chroma="gray", depth=8)
    form = form_of((64, 48))
    result = conform((48, 40), form, layout=grey, colour=NTSC)(noise((48, 40), grey))
    assert all({int(v) for v in np.unique(plane)} == {128} for plane in result.planes[1:])


def test_another_shape_gets_black_bars_that_are_even_on_both_sides() -> None:
    form = form_of((96, 48))
    result = conform((48, 48), form)(flat((48, 48), (200, 90, 160), form.layout))
    luma = result.planes[0]
    assert (luma[:, :24] == 16).all()
    assert (luma[:, 72:] == 16).all()
    assert (luma[:, 24:72] == 200).all()
    assert (result.planes[1][:, :12] == 128).all()
    assert (result.planes[1][:, 12:36] == 90).all()


def test_fill_cuts_off_evenly_what_is_too_much() -> None:
    columns = np.arange(96, dtype=np.uint8)[None, :].repeat(48, 0) + 64
    grey = PixelLayout(chroma="gray", depth=8)
    form = form_of((48, 48))
    result = conform((96, 48), form, "fill", layout=grey)(Picture((columns,), grey))
    assert (result.planes[0] == columns[:, 24:72]).all()


@pytest.mark.parametrize("fit", ["fit", "fill", "stretch"])
def test_an_odd_size_is_filled_up_and_not_scaled(fit: Fit) -> None:
    form = form_of((54, 40))
    picture = noise((53, 39), form.layout)
    result = conform((53, 39), form, fit)(picture)
    assert (result.planes[0][:39, :53] == picture.planes[0]).all()
    assert (result.planes[0][:39, 53] == picture.planes[0][:, 52]).all()
    assert all((a == b).all() for a, b in zip(result.planes[1:], picture.planes[1:], strict=True))


def test_stretch_uses_the_whole_picture_and_the_whole_form() -> None:
    spot = placement(stream((96, 48)), "stretch", (48, 48))
    assert tuple(map(int, spot.part)) == (0, 0, 96, 48)
    assert spot.place == (0, 0, 48, 48)


def test_pixels_that_are_not_square_are_made_so() -> None:
    spot = placement(stream((720, 480), sar=Fraction(8, 9)), "fit", (640, 480))
    assert spot.place == (0, 0, 640, 480)


def test_a_turned_clip_stands_upright() -> None:
    assert placement(stream((96, 48), rotation=90), "fit", (48, 96)).place == (0, 0, 48, 96)


@settings(max_examples=60)
@given(
    st.tuples(st.integers(2, 90), st.integers(2, 90)),
    st.tuples(st.integers(8, 60), st.integers(8, 60)).map(lambda size: (2 * size[0], 2 * size[1])),
    st.sampled_from(["fit", "fill", "stretch"]),
    st.sampled_from(["gray", "420", "422", "444"]),
    st.sampled_from([BT709, NTSC, WIDE, CENTRED]),
    st.sampled_from([Fraction(1), Fraction(16, 15), Fraction(1, 3)]),
    st.sampled_from([0, 90]),
)
def test_any_clip_gets_the_size_and_layout_of_the_form(
    size: tuple[int, int],
    target: tuple[int, int],
    fit: Fit,
    chroma: Any,  # noqa: ANN401 - a name of a chroma format
    colour: Colour,
    sar: Fraction,
    rotation: Any,  # noqa: ANN401 - degrees
) -> None:
    form = form_of(target)
    clip = stream(size, colour, layout=PixelLayout(chroma=chroma, depth=8), sar=sar, rotation=rotation)
    result = Conform(clip, fit, form)(noise(upright_size(clip), upright_layout(clip)))
    assert (result.width, result.height, result.layout) == (*target, form.layout)
    chroma_shape = form.layout.chroma_size(*target)[::-1]
    assert [plane.shape for plane in result.planes[1:]] == [chroma_shape, chroma_shape]


@given(
    st.tuples(st.integers(2, 9000), st.integers(2, 9000)),
    st.tuples(st.integers(8, 4096), st.integers(8, 4096)).map(lambda size: (2 * size[0], 2 * size[1])),
    st.sampled_from(["fit", "fill", "stretch"]),
)
def test_no_placement_leaves_the_picture_or_the_form(
    size: tuple[int, int], target: tuple[int, int], fit: Fit
) -> None:
    spot = placement(stream(size), fit, target)
    left, top, width, height = spot.part
    # an odd size is filled up to an even one
    assert 0 <= left < left + width <= size[0] + size[0] % 2
    assert 0 <= top < top + height <= size[1] + size[1] % 2
    x, y, wide, high = spot.place
    assert all(value >= 0 and value % 2 == 0 for value in spot.place)
    assert (wide >= 2, high >= 2, x + wide <= target[0], y + high <= target[1]) == (True,) * 4


def test_a_number_is_read_after_scaling_and_bars() -> None:
    form = form_of((160, 96))
    grey = PixelLayout(chroma="gray", depth=8)
    luma = numbered(1234, 96, 64)[..., 0].copy()
    result = conform((96, 64), form, layout=grey)(Picture((luma,), grey))
    spot = placement(stream((96, 64)), "fit", form.size)
    left, _, width, _ = spot.place
    assert read_number(result.planes[0][:, left : left + width]) == 1234


def test_the_colour_of_a_clip_is_that_of_its_tone_mapped_pictures() -> None:
    hdr = Colour(matrix="bt2020nc", primaries="bt2020", transfer="arib-std-b67", full_range=False)
    assert clip_colour(stream((64, 48), hdr, hdr="hlg")) == BT709
