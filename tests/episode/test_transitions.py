from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.form import Form
from sakuga.episode.spec import Direction, Kind
from sakuga.episode.transitions import between, crossfade, fade_through, moment, slide, wipe, zoom
from sakuga.errors import ContractError
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from tests.episode.footages import form_of

KINDS = [kind for kind in get_args(Kind) if kind != "cut"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
DEEP = PixelLayout(chroma="420", depth=10)


def picture(seed: int, form: Form) -> Picture:
    """Samples at random; equal pictures would hide which is which."""
    random = np.random.default_rng(seed)
    dtype: Any = np.uint8 if form.layout.depth == 8 else np.uint16
    shapes = [(form.height, form.width), *([form.layout.chroma_size(*form.size)[::-1]] * 2)]
    top = 1 << form.layout.depth
    return Picture(tuple(random.integers(0, top, shape).astype(dtype) for shape in shapes), form.layout)


def flat(luma: int, form: Form) -> Picture:
    dtype: Any = np.uint8
    shapes = [(form.height, form.width), *([form.layout.chroma_size(*form.size)[::-1]] * 2)]
    return Picture(tuple(np.full(shape, luma, dtype) for shape in shapes), form.layout)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", [PixelLayout(chroma="420", depth=8), DEEP], ids=["8", "10"])
def test_a_transition_begins_with_one_picture_and_ends_with_the_other(
    kind: Kind, direction: Direction, layout: PixelLayout
) -> None:
    form = form_of((32, 24), layout=layout)
    a, b = picture(1, form), picture(2, form)
    assert between(kind, a, b, 0.0, direction, form).same_as(a)
    assert between(kind, a, b, 1.0, direction, form).same_as(b)


@pytest.mark.parametrize("kind", KINDS)
def test_transitions_work_on_red_green_and_blue_as_well(kind: Kind) -> None:
    random = np.random.default_rng(3)
    a, b = random.random((2, 24, 32, 3)).astype(np.float32)
    made = {
        "crossfade": crossfade(a, b, 0.5),
        "fade-black": fade_through(a, b, 0.5, 0),
        "fade-white": fade_through(a, b, 0.5, 1),
        "wipe": wipe(a, b, 0.5, "left"),
        "slide": slide(a, b, 0.5, "left"),
        "zoom": zoom(a, b, 0.5),
    }[kind]
    assert made.shape == a.shape
    assert 0 <= made.min() <= made.max() <= 1


def test_a_crossfade_is_half_of_each_in_the_middle() -> None:
    form = form_of((32, 24))
    made = between("crossfade", flat(40, form), flat(140, form), 0.5, "left", form)
    assert made.same_as(flat(90, form))


@pytest.mark.parametrize(("kind", "luma"), [("fade-black", 16), ("fade-white", 235)])
def test_a_fade_is_one_colourless_level_in_the_middle(kind: Kind, luma: int) -> None:
    form = form_of((32, 24))
    made = between(kind, picture(1, form), picture(2, form), 0.5, "left", form)
    assert [sorted(map(int, np.unique(plane))) for plane in made.planes] == [[luma], [128], [128]]


@pytest.mark.parametrize("kind", ["fade-black", "fade-white"])
def test_a_fade_never_shows_both_pictures(kind: Kind) -> None:
    form = form_of((32, 24))
    a, b, other = picture(1, form), picture(2, form), picture(3, form)
    for t in (0.2, 0.45):
        assert between(kind, a, b, t, "left", form).same_as(between(kind, a, other, t, "left", form))
    for t in (0.55, 0.8):
        assert between(kind, a, b, t, "left", form).same_as(between(kind, other, b, t, "left", form))


def side(direction: Direction, form: Form) -> tuple[slice, slice]:
    """The half of the picture where an edge that moves in a direction begins."""
    half = form.width // 2, form.height // 2
    return {
        "left": (slice(None), slice(half[0] + 2, None)),
        "right": (slice(None), slice(0, half[0] - 2)),
        "up": (slice(half[1] + 2, None), slice(None)),
        "down": (slice(0, half[1] - 2), slice(None)),
    }[direction]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_wipe_shows_the_new_picture_behind_its_edge_and_moves_neither(direction: Direction) -> None:
    form = form_of((64, 48))
    a, b = picture(1, form), picture(2, form)
    made = between("wipe", a, b, 0.5, direction, form).planes[0]
    behind = side(direction, form)
    opposite: dict[Direction, Direction] = {"left": "right", "right": "left", "up": "down", "down": "up"}
    before = side(opposite[direction], form)
    assert (made[behind] == b.planes[0][behind]).all()
    assert (made[before] == a.planes[0][before]).all()


@pytest.mark.parametrize(
    ("direction", "shift"), [("left", (0, -32)), ("right", (0, 32)), ("up", (-24, 0)), ("down", (24, 0))]
)
def test_a_slide_pushes_the_old_picture_out(direction: Direction, shift: tuple[int, int]) -> None:
    form = form_of((64, 48))
    a, b = picture(1, form), picture(2, form)
    made = between("slide", a, b, 0.5, direction, form)
    down, across = shift
    wide = np.block([[b.planes[0]] * 3, [b.planes[0], a.planes[0], b.planes[0]], [b.planes[0]] * 3])
    assert (made.planes[0] == wide[48 - down : 96 - down, 64 - across : 128 - across]).all()


def test_colours_slide_with_what_they_belong_to() -> None:
    form = form_of((64, 48))
    a, b = flat(50, form), flat(200, form)
    for t in np.linspace(0, 1, 101):
        made = between("slide", a, b, float(t), "left", form)
        assert (made.planes[0][::2, ::2] == made.planes[1]).all()


def test_a_zoom_enlarges_about_the_middle() -> None:
    samples = np.zeros((49, 65), np.float32)
    samples[20:29, 28:37] = 1
    grown = zoom(samples, np.zeros_like(samples), 0.5)
    assert grown[24, 32] == pytest.approx(0.75)
    assert (grown > 0.375).sum() == pytest.approx((samples > 0.5).sum() * 3, rel=0.2)
    assert abs(int((grown > 0.375)[:, :32].sum()) - int((grown > 0.375)[:, 33:].sum())) <= 2


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(DIRECTIONS))
def test_a_wipe_never_goes_back(one: float, other: float, direction: Direction) -> None:
    a, b = np.zeros((12, 16), np.float32), np.ones((12, 16), np.float32)
    early, late = (wipe(a, b, t, direction) for t in sorted((one, other)))
    assert (late >= early - 1e-6).all()


@given(st.integers(1, 200))
def test_moments_are_even_between_the_pictures_before_and_after(frames: int) -> None:
    steps = np.diff([0, *(moment(frame, frames) for frame in range(frames)), 1])
    np.testing.assert_allclose(steps, 1 / (frames + 1))


def test_a_cut_is_never_drawn() -> None:
    form = form_of((32, 24))
    with pytest.raises(ContractError, match="A cut"):
        between("cut", flat(40, form), flat(50, form), 0.5, "left", form)
