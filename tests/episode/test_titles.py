import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from sakuga.episode.conform import black_planes
from sakuga.episode.form import Form
from sakuga.episode.layers import KEPT_LINES, CreditPictures, TitleLayers, placeholder, shown_titles
from sakuga.episode.overlay import overlay
from sakuga.episode.spec import Credits, EpisodeSpec, Place, Scene, TextStyle, Title
from sakuga.episode.titles import Drawn, check_text, draw_text, load_font, text_problems, wrap
from sakuga.errors import OptionError
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from sakuga.quality.colours import to_rgb
from tests.assets import REPOSITORY
from tests.episode.footages import form_of

SIZE = (320, 180)
PLACES: tuple[Place, ...] = get_args(Place)
OPAQUE = 8
"""Steps of 8 bits in red, green or blue of opaque text: rounding to codes, and chroma at half resolution."""


def card(title: Title, form: Form, frames: int = 24) -> TitleLayers:
    return TitleLayers(shown_titles(Scene(clip="a", titles=(title,)), frames, form.rate), form)


def black(form: Form) -> Picture:
    return Picture(black_planes(form), form.layout)


def ink(picture: Picture) -> int:
    """How much light text adds to a black picture."""
    return int(picture.planes[0].astype(np.int64).sum()) - 16 * picture.planes[0].size


def seen(drawn: Drawn) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is drawn, in the picture."""
    rows, columns = np.nonzero(drawn.rgba[..., 3])
    return (
        int(columns.min()) + drawn.left,
        int(rows.min()) + drawn.top,
        int(columns.max()) + 1 + drawn.left,
        int(rows.max()) + 1 + drawn.top,
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "text", ["Words", "two\nlines", "A long title that has to be broken into lines " * 4, "W" * 300]
)
def test_text_is_inside_of_the_picture(place: Place, text: str) -> None:
    left, top, right, bottom = seen(draw_text(text, TextStyle(place=place, size=0.1), SIZE))
    assert 0 <= left < right <= SIZE[0]
    assert 0 <= top < bottom <= SIZE[1]


def test_places_are_where_they_say() -> None:
    boxes = {place: seen(draw_text("Words", TextStyle(place=place), SIZE)) for place in PLACES}
    assert boxes["top"][3] < SIZE[1] / 3
    assert abs(boxes["center"][1] + boxes["center"][3] - SIZE[1]) < 12
    assert boxes["bottom"][1] > SIZE[1] * 2 / 3
    assert boxes["lower-third"][1] > SIZE[1] * 0.6
    assert boxes["lower-third"][0] < SIZE[0] / 8


def test_letters_have_smooth_edges() -> None:
    drawn = draw_text("Saga", TextStyle(outline=None), SIZE)
    alpha = drawn.rgba[..., 3]
    assert ((alpha > 16) & (alpha < 240)).sum() > 40
    assert (drawn.rgba[..., :3] == 255).all()


def test_a_line_is_as_high_as_its_style_says() -> None:
    one, two = (draw_text(text, TextStyle(size=0.1, outline=None), (800, 600)) for text in ("Ag", "Ag\nAg"))
    assert abs((two.rgba.shape[0] - one.rgba.shape[0]) - 60) <= 2


def test_an_outline_lies_around_the_letters() -> None:
    style = TextStyle(colour="#ffffff", outline="#ff0000", size=0.2)
    drawn = draw_text("I", style, SIZE)
    plain = draw_text("I", style.model_copy(update={"outline": None}), SIZE)
    opaque = drawn.rgba[drawn.rgba[..., 3] == 255][:, :3]
    assert (opaque == (255, 0, 0)).all(axis=1).any()
    assert (opaque == (255, 255, 255)).all(axis=1).any()
    assert (drawn.rgba[..., 3] > 0).sum() > (plain.rgba[..., 3] > 0).sum()


def test_long_lines_are_broken_between_words() -> None:
    font = load_font(None, 20)
    lines = wrap("one two three four five six seven", font, 120)
    assert len(lines) > 1
    assert " ".join(lines) == "one two three four five six seven"
    assert all(font.getlength(line) <= 120 for line in lines)


def test_broken_lines_are_about_equally_long() -> None:
    font = load_font(None, 20)
    text = "a long title that just does not fit in"
    first, second = (font.getlength(line) for line in wrap(text, font, font.getlength(text) - 4))
    assert 0.7 < first / second < 1.4


def test_words_longer_than_a_line_are_broken_too() -> None:
    font = load_font(None, 20)
    assert "".join(wrap("x" * 100, font, 120)) == "x" * 100


@pytest.mark.parametrize("colour", ["#ff0000", "#00c040", "#3050ff", "#808080"])
@pytest.mark.parametrize("depth", [8, 10])
def test_text_has_the_colour_that_was_asked_for(colour: str, depth: Any) -> None:  # noqa: ANN401
    form = form_of(SIZE, layout=PixelLayout(chroma="420", depth=depth))
    title = Title(text="IIII", colour=colour, outline=None, size=0.5, fade=Fraction(0))
    layer = card(title, form).at(4)
    assert layer is not None
    rgb = to_rgb(overlay(black(form), layer, form), form.colour)
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    error = np.abs(rgb.astype(int) - wanted).max(axis=2)
    assert (error <= OPAQUE).sum() > 100


def test_half_transparent_text_lets_the_picture_through() -> None:
    form = form_of(SIZE)
    full, half = (
        overlay(black(form), card(Title(text="WWW", colour=colour, outline=None), form).at(12), form)
        for colour in ("#ffffff", "#ffffff80")
    )
    assert ink(half) / ink(full) == pytest.approx(0.5, abs=0.02)


def test_a_title_comes_and_goes_evenly() -> None:
    form = form_of(SIZE)
    title = Title(text="Words", at=Fraction(1, 4), seconds=Fraction(1, 2), fade=Fraction(1, 6), outline=None)
    layers = card(title, form)
    light = [ink(overlay(black(form), layers.at(frame), form)) for frame in range(24)]
    assert [frame for frame, amount in enumerate(light) if amount] == list(range(6, 18))
    shown = light[6:18]
    assert shown[:4] == sorted(shown[:4])
    assert np.allclose(shown, shown[::-1], rtol=0.02)
    assert max(shown) == shown[5] == shown[6]
    assert shown[0] / max(shown) == pytest.approx(1 / 8, abs=0.02)


def test_what_a_title_does_not_cover_stays_exactly_as_it_is() -> None:
    form = form_of(SIZE)
    random = np.random.default_rng(1)
    planes = tuple(random.integers(0, 256, plane.shape).astype(np.uint8) for plane in black_planes(form))
    picture = Picture(planes, form.layout)
    layer = card(Title(text="Words", place="bottom"), form).at(12)
    assert layer is not None
    made = overlay(picture, layer, form)
    assert (made.planes[0][: layer.top] == planes[0][: layer.top]).all()
    assert (made.planes[1][: layer.top // 2] == planes[1][: layer.top // 2]).all()
    assert not (made.planes[0] == planes[0]).all()


def test_later_titles_lie_above_earlier_ones() -> None:
    form = form_of(SIZE)
    both = tuple(
        Title(text="MMM", colour=colour, outline=None, size=0.4, fade=Fraction(0))
        for colour in ("#ff0000", "#0000ff")
    )
    layers = TitleLayers(shown_titles(Scene(clip="a", titles=both), 24, form.rate), form)
    layer = layers.at(3)
    assert layer is not None
    inside = layer.rgb[layer.alpha > 0.99]
    assert len(inside) > 100
    assert inside[:, 2].min() > 0.9
    assert inside[:, 0].max() < 0.1


def test_a_title_after_the_end_of_its_scene_is_never_seen() -> None:
    assert shown_titles(Scene(clip="a", titles=(Title(text="late", at=Fraction(9)),)), 24, Fraction(24)) == ()


def test_moviepy_reads_no_environment_from_files_around_it(tmp_path: Path) -> None:
    stub = tmp_path / "moviepy"
    stub.mkdir()
    (stub / "__init__.py").write_text(
        "from dotenv import find_dotenv, load_dotenv\nload_dotenv(find_dotenv())\n"
    )
    (tmp_path / ".env").write_text("SAKUGA_FROM_A_FILE=1\n")
    code = (
        "import os, sys; from sakuga.episode.layers import load_moviepy; load_moviepy();"
        "sys.exit(len({'SAKUGA_FROM_A_FILE', 'PYTHON_DOTENV_DISABLED'} & set(os.environ)))"
    )
    around = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)])}
    around.pop("PYTHON_DOTENV_DISABLED", None)
    assert subprocess.run([sys.executable, "-c", code], env=around, check=False).returncode == 0


def test_lines_of_credits_stand_still_where_they_fit() -> None:
    form = form_of(SIZE)
    credits = CreditPictures(Credits(lines=("One", "Two")), 48, form)
    assert not credits.rolls
    assert credits.picture(20).same_as(credits.picture(28))
    assert 0 < ink(credits.picture(0)) < ink(credits.picture(20)) / 4
    assert ink(credits.picture(0)) == ink(credits.picture(47))


def test_more_lines_than_fit_roll_from_the_bottom_to_the_top() -> None:
    form = form_of(SIZE)
    credits = CreditPictures(Credits(lines=tuple(f"Name {n}" for n in range(30))), 200, form)
    assert credits.rolls
    early, late = (credits.picture(frame).planes[0] for frame in (8, 191))
    assert (early[: form.height // 2] == 16).all()
    assert (early[form.height // 2 :] > 100).any()
    assert (late[form.height // 2 :] == 16).all()
    assert (late[: form.height // 2] > 100).any()


def test_rolling_lines_move_up_without_changing() -> None:
    form = form_of(SIZE)
    credits = CreditPictures(Credits(lines=("Only one line",), roll=True), SIZE[1] + 14, form)
    one, other = (credits.picture(frame).planes[0] for frame in (90, 92))
    assert (one[2:] == other[:-2]).all()
    assert (one > 100).any()


def test_a_thousand_lines_are_never_drawn_at_once() -> None:
    form = form_of((96, 64))
    credits = CreditPictures(Credits(lines=tuple(f"Name {n}" for n in range(1000))), 1000, form)
    for frame in range(0, 1000, 10):
        credits.picture(frame)
    assert credits._drawn.cache_info().currsize <= KEPT_LINES
    assert credits._drawn.cache_info().misses > KEPT_LINES


def test_a_font_that_is_missing_is_found_before_any_work(tmp_path: Path) -> None:
    absent, broken = tmp_path / "absent.ttf", tmp_path / "broken.ttf"
    broken.write_bytes(b"no font at all")
    scene = Scene(clip="a", titles=(Title(text="A"), Title(text="B", font=str(absent))))
    spec = EpisodeSpec(scenes=(scene,), credits=Credits(lines=("C",), font=str(broken)))
    found = text_problems(spec)
    assert set(found) == {("scenes", 0, "titles", 1, "font"), ("credits", "font")}
    with pytest.raises(OptionError, match=r"There is no font .*absent\.ttf"):
        check_text(spec)


def test_letters_that_a_font_does_not_have_are_found_before_any_work() -> None:
    spec = EpisodeSpec(scenes=(Scene(clip="a", titles=(Title(text="Saga \u4f5c\u753b"),)),))
    with pytest.raises(OptionError, match="The built-in font has no \u4f5c \u753b"):
        check_text(spec)
    check_text(
        EpisodeSpec(scenes=(Scene(clip="a", titles=(Title(text="Emile, (12 %)\n\t\u201cok\u201d"),)),))
    )


@pytest.mark.parametrize("name", ["a.mp4", "dir/clip 'x'\n.mov", "-v.mkv", "\u4f5c\u753b.mp4", "x" * 300])
def test_a_missing_clip_is_named_on_its_picture(name: str) -> None:
    form = form_of(SIZE)
    picture = placeholder(Scene(clip=name), form)
    blank = placeholder(Scene(clip="."), form)
    assert not picture.same_as(blank)
    assert (picture.planes[0][0] == picture.planes[0][0, 0]).all()
    assert 30 < int(picture.planes[0][0, 0]) < 60
