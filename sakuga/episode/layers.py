"""Titles of a scene in time, and the credits."""

import importlib
import os
from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from sakuga.episode.conform import black_planes
from sakuga.episode.form import Form
from sakuga.episode.overlay import Layer, drawn_layer, overlay, paint
from sakuga.episode.spec import Credits, Scene, TextStyle, Title
from sakuga.episode.timeline import title_spans
from sakuga.episode.titles import (
    MOST,
    Drawn,
    draw_lines,
    draw_text,
    line_pixels,
    load_font,
    missing_letters,
    sized_font,
    wrap,
)
from sakuga.media.info import Frozen
from sakuga.media.picture import Picture

CREDITS_FADE = Fraction(1, 2)
"""Seconds in which credits that stand still come and go."""
KEPT_LINES = 64
"""Drawn lines of rolling credits that are kept: more than are seen at a time."""
NO_ENV_FILE = "PYTHON_DOTENV_DISABLED"
_IMPORTING = Lock()
CARD = (32, 32, 36)
CARD_STYLE = TextStyle(size=0.07, outline=None)
MAX_CARD_NAME = 60


class ShownTitle(Frozen):
    """A title over the frames [first, last) of its scene; `fade` frames to come, and as many to go."""

    title: Title
    first: int
    last: int
    fade: float


def shown_titles(scene: Scene, frames: int, rate: Fraction) -> tuple[ShownTitle, ...]:
    """The titles of a scene of so many frames that are seen at all, in the order of the file."""
    return tuple(
        ShownTitle(
            title=title,
            first=first,
            last=last,
            fade=min(float(title.fade * rate), (last - first) / 2),
        )
        for title, (first, last) in zip(scene.titles, title_spans(scene, frames, rate), strict=True)
        if first < last
    )


class TitleLayers:
    """The titles of a scene as one layer for each of its frames; MoviePy puts them together in time."""

    def __init__(self, shown: Sequence[ShownTitle], form: Form) -> None:
        """Draw them.

        Args:
            shown: the titles, later ones above earlier ones.
            form: the episode's form.

        Raises:
            OptionError: a font is missing.
        """
        self._shown = shown
        self._colours: Any = None
        self._alpha: Any = None
        self._corner = 0, 0
        if shown:
            self._colours, self._alpha, self._corner = _composed(shown, form)

    def at(self, frame: int) -> Layer | None:
        """What is over a frame of the scene, None where nothing is."""
        if self._colours is None or not any(one.first <= frame < one.last for one in self._shown):
            return None
        # a frame shows a title as it is in the frame's middle, so that it comes and goes alike
        time = frame + 0.5
        rgb = np.asarray(self._colours.get_frame(time), np.float32) / np.float32(255)
        return Layer(rgb, np.asarray(self._alpha.get_frame(time), np.float32), *self._corner)


@cache
def load_moviepy() -> ModuleType:
    """MoviePy, imported when it is needed: that is slow, and most segments have no title.

    It would read a file `.env` that lies somewhere above it into the environment of this process; that is not
    its to decide.
    """
    with _IMPORTING:
        before = os.environ.get(NO_ENV_FILE)
        os.environ[NO_ENV_FILE] = "1"
        try:
            return importlib.import_module("moviepy")
        finally:
            if before is None:
                del os.environ[NO_ENV_FILE]
            else:
                os.environ[NO_ENV_FILE] = before


def _composed(shown: Sequence[ShownTitle], form: Form) -> tuple[Any, Any, tuple[int, int]]:
    """MoviePy's composition of the titles over black and its mask, their second a frame, and where it is."""
    moviepy = load_moviepy()
    drawings = [draw_text(one.title.text, one.title, form.size) for one in shown]
    left, top, right, bottom = _box(drawings, form.size)
    if right <= left or bottom <= top:
        return None, None, (0, 0)
    clips = []
    for one, drawn in zip(shown, drawings, strict=True):
        clip = moviepy.ImageClip(drawn.rgba, duration=one.last - one.first)
        if one.fade:
            clip = clip.with_effects([moviepy.vfx.CrossFadeIn(one.fade), moviepy.vfx.CrossFadeOut(one.fade)])
        clips.append(clip.with_start(one.first).with_position((drawn.left - left, drawn.top - top)))
    size = right - left, bottom - top
    alpha = moviepy.CompositeVideoClip(clips, size=size).mask
    return moviepy.CompositeVideoClip(clips, size=size, bg_color=(0, 0, 0)), alpha, (left, top)


def _box(drawings: Sequence[Drawn], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what drawings cover of a picture, at even numbers."""
    left = max(0, min(one.left for one in drawings))
    top = max(0, min(one.top for one in drawings))
    right = min(size[0], max(one.left + one.rgba.shape[1] for one in drawings))
    bottom = min(size[1], max(one.top + one.rgba.shape[0] for one in drawings))
    return left - left % 2, top - top % 2, right + right % 2, bottom + bottom % 2


class CreditPictures:
    """The frames of the credits, each by its number; no more lines are in memory than are seen."""

    def __init__(self, credits: Credits, frames: int, form: Form) -> None:
        """Lay the lines out.

        Args:
            credits: what is shown.
            frames: how many frames long.
            form: the episode's form.

        Raises:
            OptionError: the font is missing.
        """
        self._frames, self._form, self._style = frames, form, credits
        self._font = sized_font(credits, credits.size * form.height)
        self._lines = wrap("\n".join(credits.lines), self._font, MOST * form.width)
        self._line = line_pixels(self._font)
        self.rolls = credits.roll or len(self._lines) * self._line > MOST * form.height
        self._drawn = lru_cache(KEPT_LINES)(self._draw)
        self._still = None if self.rolls else draw_text("\n".join(credits.lines), credits, form.size)
        self._fade = float(min(CREDITS_FADE * form.rate, Fraction(frames, 3)))

    def picture(self, frame: int) -> Picture:
        """A frame of them."""
        planes = black_planes(self._form)
        for layer in self._still_layers(frame) if self._still else self._rolling_layers(frame):
            if layer is not None:
                paint(planes, layer, self._form)
        return Picture(planes, self._form.layout)

    def _still_layers(self, frame: int) -> list[Layer | None]:
        assert self._still is not None
        near = min(frame, self._frames - 1 - frame) + 0.5
        return [drawn_layer(self._still, self._form.size, min(1.0, near / max(self._fade, 0.5)))]

    def _rolling_layers(self, frame: int) -> list[Layer | None]:
        """The lines that are seen: the first comes in at the bottom, the last goes out at the top."""
        height = self._form.height
        way = height + len(self._lines) * self._line
        top = height - round(way * (2 * frame + 1) / (2 * self._frames))
        # a drawing is larger than its line, by its outline
        first = max(0, -top // self._line - 1)
        last = min(len(self._lines), (height - top) // self._line + 2)
        layers = []
        for number in range(first, last):
            rgba = self._drawn(number)
            high, wide = rgba.shape[:2]
            place = (self._form.width - wide) // 2, top + number * self._line - (high - self._line) // 2
            layers.append(drawn_layer(Drawn(rgba, *place), self._form.size))
        return layers

    def _draw(self, number: int) -> Any:  # noqa: ANN401 - lru_cache forgets types
        return draw_lines([self._lines[number]], self._font, self._style, centred=True)


def placeholder_text(scene: Scene) -> str:
    """What a picture says that stands for a missing clip."""
    name = scene.clip.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    absent = missing_letters(name, load_font(None, 40))
    plain = "".join("?" if one in absent or not one.isprintable() else one for one in name)
    return f"{plain[:MAX_CARD_NAME]}\nis missing"


def placeholder(scene: Scene, form: Form) -> Picture:
    """The picture that stands for a missing clip: its name on dark grey."""
    ground = np.full((form.height, form.width, 3), CARD, np.float32) / np.float32(255)
    whole = Layer(ground, np.ones(ground.shape[:2], np.float32), 0, 0)
    planes = black_planes(form)
    paint(planes, whole, form)
    drawn = draw_text(placeholder_text(scene), CARD_STYLE, form.size)
    return overlay(Picture(planes, form.layout), drawn_layer(drawn, form.size), form)
