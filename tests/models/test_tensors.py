"""Planes to R, G, B and back with torch: right, the same in parts, and dithered without a bias."""

from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.media.info import ChromaFormat, Colour, PixelLayout
from sakuga.media.kernels import Axis, resample
from sakuga.media.picture import Picture, Plane
from sakuga.media.resize import resize_picture
from sakuga.models.base import Rect
from sakuga.quality.colours import to_rgb as rgb_for_people
from tests.media.pictures import LIMITED, noise

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from sakuga.models.tensors import ResultForm, to_rgb, write_part  # noqa: E402
from sakuga.models.torch_resize import phases_of, reach, resample_part  # noqa: E402

CPU = torch.device("cpu")
FULL = LIMITED.model_copy(update={"full_range": True})
CHROMA = get_args(ChromaFormat)
SITINGS = ("left", "center", "topleft", "top", "bottomleft", "bottom")
MATRICES = ("bt709", "smpte170m", "bt2020nc", "never heard of")

SUMS = 2e-5
"""Of samples from 0 to 1: single precision, summed in another order."""
TEN_BITS = 5 / 876
"""Of R, G, B from 0 to 1: the way for people rounds to 10 bits, and blue is 1.9 times its chroma."""
TIES = 0.01
"""Of samples: from limited to full range, one code in 292 lies in the middle between two others."""
DITHERED = 1.0
"""Codes of 8 bits that dither moves a sample by at most."""

sizes = st.integers(1, 40)


def layout(chroma: ChromaFormat, depth: int = 8) -> PixelLayout:
    return PixelLayout(chroma=chroma, depth=10 if depth == 10 else 8)


def mild(seed: int, size: tuple[int, int], form: PixelLayout) -> Picture:
    """Noise so weak in colour that no pixel leaves the gamut."""
    unit = 1 << (form.depth - 8)
    planes: list[Plane] = []
    for number, plane in enumerate(noise(seed, size, form.chroma, form.depth).planes):
        low, high = (80, 170) if number == 0 else (112, 144)
        codes = low * unit + plane.astype(np.int64) % ((high - low) * unit)
        planes.append(codes.astype(np.uint8) if form.depth == 8 else codes.astype(np.uint16))
    return Picture(tuple(planes), form)


def form_of(
    picture: Picture, size: tuple[int, int], result: PixelLayout, colour: Colour = LIMITED, scale: int = 1
) -> ResultForm:
    return ResultForm(
        (picture.width * scale, picture.height * scale), size, result, colour, colour.full_range
    )


def codes_of(form: ResultForm, rgb: Tensor, at: tuple[int, int], part: Rect) -> tuple[Tensor, ...]:
    luma, differences = form.split(rgb[0].clamp(0, 1))
    return form.codes(form.samples(luma, differences, at[::-1], part), part)


def result_of(form: ResultForm, rgb: Tensor, part: Rect | None = None) -> Picture:
    part = part or Rect(0, 0, *form.size)
    planes = codes_of(form, rgb, (0, 0), part)
    whole: list[Plane] = []
    for codes in planes:
        plane = np.zeros(codes.shape, np.uint8 if form.layout.depth == 8 else np.uint16)
        write_part(plane, codes, Rect(0, 0, codes.shape[1], codes.shape[0]))
        whole.append(plane)
    return Picture(tuple(whole), form.layout)


def farthest(one: Picture, other: Picture) -> int:
    pairs = zip(one.planes, other.planes, strict=True)
    return max(int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max()) for a, b in pairs)


@st.composite
def parts(draw: st.DrawFn, size: tuple[int, int]) -> Rect:
    left, top = draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))
    return Rect(left, top, draw(st.integers(left + 1, size[0])), draw(st.integers(top + 1, size[1])))


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("chroma", CHROMA)
@pytest.mark.parametrize("full", [False, True])
def test_the_network_sees_the_colours_that_people_see(chroma: ChromaFormat, depth: int, full: bool) -> None:
    picture = noise(1, (37, 24), chroma, depth)
    for siting in SITINGS if chroma == "420" else SITINGS[:2]:
        for matrix in MATRICES if siting == "left" else MATRICES[:1]:
            colour = Colour(
                **(LIMITED.model_dump() | {"full_range": full, "siting": siting, "matrix": matrix})
            )
            seen = rgb_for_people(picture, colour, bits=16).astype(np.float32) / 65535
            rgb = to_rgb(picture, colour, CPU)[0].permute(1, 2, 0).numpy()
            # where chroma overshoots its codes, the way through 10 bits cuts it
            assert np.percentile(np.abs(rgb - seen), 97) <= TEN_BITS
            assert rgb.dtype == np.float32
            assert rgb.min() >= 0
            assert rgb.max() <= 1


def test_a_matrix_changes_the_colours() -> None:
    picture, other = noise(1, (16, 16)), LIMITED.model_copy(update={"matrix": "smpte170m"})
    assert float((to_rgb(picture, LIMITED, CPU) - to_rgb(picture, other, CPU)).abs().max()) > 0.05


def test_black_white_and_grey_are_exact() -> None:
    for colour, codes in ((LIMITED, (16, 235, 0, 255)), (FULL, (0, 255, 0, 255))):
        plane = np.array([codes], np.uint8)
        neutral = np.full_like(plane, 128)
        rgb = to_rgb(Picture((plane, neutral, neutral), layout("444")), colour, CPU)
        assert rgb[0, :, 0].tolist() == [[0, 1, 0, 1]] * 3


def test_a_grey_picture_has_equal_red_green_and_blue() -> None:
    rgb = to_rgb(noise(2, (9, 7), "gray"), LIMITED, CPU)
    assert torch.equal(rgb[:, 0], rgb[:, 1])
    assert torch.equal(rgb[:, 0], rgb[:, 2])


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("chroma", CHROMA)
@pytest.mark.parametrize("colour", [LIMITED, FULL], ids=["limited", "full"])
def test_a_444_picture_comes_back_with_its_codes(chroma: ChromaFormat, depth: int, colour: Colour) -> None:
    form = layout("gray" if chroma == "gray" else "444", depth)
    picture = mild(3, (33, 21), form)
    back = result_of(form_of(picture, (33, 21), form, colour), to_rgb(picture, colour, CPU))
    assert back.same_as(picture)


@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize("chroma", ["420", "422"])
def test_a_smooth_subsampled_picture_comes_back_within_one_code(chroma: ChromaFormat, siting: str) -> None:
    colour = Colour(**(LIMITED.model_dump() | {"siting": siting}))
    small = mild(4, (9, 7), layout("444"))
    picture = resize_picture(small, (52, 38), layout(chroma), colour)
    back = result_of(form_of(picture, (52, 38), layout(chroma), colour), to_rgb(picture, colour, CPU))
    assert np.array_equal(back.planes[0], picture.planes[0])
    assert farthest(back, picture) <= 1


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("chroma", CHROMA)
@pytest.mark.parametrize("size", [(66, 42), (132, 84), (97, 63), (22, 20), (33, 21)])
def test_a_result_is_what_plane_by_plane_resampling_makes(
    chroma: ChromaFormat, depth: int, size: tuple[int, int]
) -> None:
    source = mild(5, (33, 21), layout("gray" if chroma == "gray" else "444", 10))
    for full in (False, True):
        target = LIMITED.model_copy(update={"full_range": full})
        form = ResultForm((33, 21), size, layout(chroma, depth), LIMITED, full)
        result = result_of(form, to_rgb(source, LIMITED, CPU))
        expected = resize_picture(source, size, form.layout, LIMITED, target)
        if depth == 8:
            assert farthest(result, expected) <= DITHERED
        else:
            differing = [a != b for a, b in zip(result.planes, expected.planes, strict=True)]
            assert farthest(result, expected) <= 1
            assert sum(int(plane.sum()) for plane in differing) <= TIES * sum(p.size for p in differing)


def test_a_grey_source_stays_without_colour_whatever_the_network_says() -> None:
    form = ResultForm((16, 16), (16, 16), layout("420", 10), LIMITED, False, grey=True)
    result = result_of(form, torch.rand(1, 3, 16, 16))
    assert {int(code) for plane in result.planes[1:] for code in plane.ravel()} == {512}


@settings(max_examples=60)
@given(data=st.data(), width=sizes, height=sizes, chroma=st.sampled_from(CHROMA), deep=st.booleans())
def test_a_part_of_the_rgb_is_that_of_the_whole(
    data: st.DataObject, width: int, height: int, chroma: ChromaFormat, deep: bool
) -> None:
    picture = noise(width, (width, height), chroma, 10 if deep else 8)
    siting = data.draw(st.sampled_from(SITINGS))
    colour = Colour(**(LIMITED.model_dump() | {"siting": siting}))
    part = data.draw(parts((width, height)))
    whole = to_rgb(picture, colour, CPU)[..., part.top : part.bottom, part.left : part.right]
    assert torch.equal(to_rgb(picture, colour, CPU, part), whole)


@settings(max_examples=80)
@given(
    data=st.data(),
    network=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    size=st.tuples(sizes, sizes),
    chroma=st.sampled_from(CHROMA),
    deep=st.booleans(),
)
def test_a_part_of_the_result_is_that_of_the_whole_and_needs_no_more_than_it_says(
    data: st.DataObject, network: tuple[int, int], size: tuple[int, int], chroma: ChromaFormat, deep: bool
) -> None:
    siting = data.draw(st.sampled_from(SITINGS))
    colour = Colour(**(LIMITED.model_dump() | {"siting": siting}))
    form = ResultForm(network, size, layout(chroma, 10 if deep else 8), colour, False)
    rgb = torch.rand((1, 3, network[1], network[0]), generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    part = data.draw(parts(size))
    whole = result_of(form, rgb)
    need = form.needed(part)
    seen = rgb[..., need.top : need.bottom, need.left : need.right]
    boxes = [part, *[form.chroma_part(part)] * (len(whole.planes) - 1)]
    for plane, codes, box in zip(
        whole.planes, codes_of(form, seen, (need.left, need.top), part), boxes, strict=True
    ):
        expected = plane[box.top : box.bottom, box.left : box.right]
        assert np.array_equal(codes.numpy().astype(plane.dtype), expected)


@settings(max_examples=60)
@given(
    sizes=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    first=st.fractions(-3, 3, max_denominator=8),
    kernel=st.sampled_from(["lanczos", "cubic"]),
)
def test_an_axis_at_any_ratio_is_resampled_as_numpy_does(
    sizes: tuple[int, int], first: Fraction, kernel: str
) -> None:
    axis = Axis(sizes[0], sizes[1], first, Fraction(*sizes), "lanczos" if kernel == "lanczos" else "cubic")
    plane = np.random.default_rng(1).random((sizes[0], sizes[0]), np.float32)
    whole = slice(0, sizes[1])
    result = resample_part(torch.from_numpy(plane), axis, axis, (whole, whole), (0, 0))
    assert np.abs(result.numpy() - resample(plane, axis, axis)).max() <= SUMS


def test_whole_factors_have_as_few_taps_as_the_kernel() -> None:
    half = Axis(64, 32, Fraction(1, 2), Fraction(2), "lanczos")
    assert [len(weights) for weights in phases_of(half).weights] == [12]
    assert reach(half, 10, 11) == (15, 27)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.77])
def test_dither_keeps_the_mean(fraction: float) -> None:
    grey = torch.full((1, 3, 32, 32), (100 + fraction - 16) / 219)
    luma = result_of(ResultForm((32, 32), (32, 32), layout("gray"), LIMITED, False), grey).planes[0]
    # 64 thresholds can say a mean to one part of 64
    assert abs(float(luma.mean()) - 100 - fraction) <= 1 / 64
    assert set(luma.ravel().tolist()) == {100, 101}


def test_dither_leaves_exact_codes_alone() -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for colour in (LIMITED, FULL):
        inside = codes if colour.full_range else np.clip(codes, 16, 235)
        picture = Picture((inside,), layout("gray"))
        form = form_of(picture, (16, 16), layout("gray"), colour)
        assert result_of(form, to_rgb(picture, colour, CPU)).same_as(picture)


def test_dither_depends_on_the_place_only() -> None:
    grey = torch.full((1, 3, 24, 24), 0.4567)
    form = ResultForm((24, 24), (24, 24), layout("gray"), LIMITED, False)
    luma = result_of(form, grey).planes[0]
    assert np.array_equal(luma[:8, :8], luma[16:, 8:16])
    assert np.array_equal(luma, result_of(form, grey).planes[0])


def test_ten_bits_are_rounded_and_not_dithered() -> None:
    grey = torch.full((1, 3, 8, 8), (400.4 - 64) / 876)
    form = ResultForm((8, 8), (8, 8), layout("gray", 10), LIMITED, False)
    assert set(result_of(form, grey).planes[0].ravel().tolist()) == {400}


@given(
    network=st.integers(1, 400),
    height=st.integers(1, 120),
    begin=st.floats(0, 1),
    siting=st.sampled_from(SITINGS),
)
def test_the_rows_that_follow_need_nothing_above_what_the_first_two_need(
    network: int, height: int, begin: float, siting: str
) -> None:
    colour = Colour(**(LIMITED.model_dump() | {"siting": siting}))
    form = ResultForm((8, network), (8, height), layout("420"), colour, False)
    first = min(int(begin * height), height - 1)
    two = form.needed(Rect(0, first, 8, min(first + 2, height)))
    assert form.needed(Rect(0, first, 8, height)).top >= two.top
