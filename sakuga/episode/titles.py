"""Text as pictures: fonts, lines that fit, letters with an outline, and where they stand."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from sakuga.episode.spec import EpisodeSpec, Place, TextStyle
from sakuga.errors import OptionError

Rgba = NDArray[np.uint8]

MARGIN = 0.06
"""Part of the picture's height or width that stays free at its edges: the title-safe area, EBU R 95."""
MOST = 1 - 2 * MARGIN
LOWER_THIRD = 0.72
"""Part of the height above text in the lower third."""
MIN_LINE = 6.0
"""Pixels of a line below which text is not made smaller to fit."""
SHRINK = 0.9
OUTLINE = 0.07
"""Width of the outline as a part of the line's height."""
NO_LETTER = "\U0010fffe"
"""Not a character, so that every font draws its sign for a missing one."""
EVEN_STEPS = 6
"""Halvings of the width when lines are made equally long: to 1/64 of it."""
MAX_FONT_BYTES = 1 << 28
MEASURED = 100.0
"""Size at which a font's proportions are read."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Text with transparency, straight, and where its left top corner is in the picture."""

    rgba: Rgba
    left: int
    top: int


def text_problems(spec: EpisodeSpec) -> dict[tuple[str | int, ...], str]:
    """What text cannot be drawn, by its place in the file: fonts that are missing, letters that they lack."""
    styles: list[tuple[tuple[str | int, ...], TextStyle, str]] = [
        (("scenes", number, "titles", index), title, title.text)
        for number, scene in enumerate(spec.scenes)
        for index, title in enumerate(scene.titles)
    ]
    if spec.credits:
        styles.append((("credits",), spec.credits, "\n".join(spec.credits.lines)))
    found: dict[tuple[str | int, ...], str] = {}
    for place, style, text in styles:
        try:
            font = load_font(style.font, MEASURED)
        except OptionError as error:
            found[*place, "font"] = str(error)
            continue
        if missing := missing_letters(text, font):
            letters = " ".join(missing[:8])
            found[*place, "font"] = (
                f"{'The font' if style.font else 'The built-in font'} has no {letters}; "
                "name a `font` that has them."
            )
    return found


def check_text(spec: EpisodeSpec) -> None:
    """Refuse text that cannot be drawn.

    Raises:
        OptionError: a font is missing or lacks letters.
    """
    if problems := text_problems(spec):
        raise OptionError(" ".join(dict.fromkeys(problems.values())))


def load_font(file: str | None, pixels: float) -> FreeTypeFont:
    """A font at a size in pixels; without a file the one that comes with Pillow.

    Raises:
        OptionError: the file is missing or no font.
    """
    size = max(1.0, pixels)
    if file is None:
        built_in = ImageFont.load_default(size)
        assert isinstance(built_in, FreeTypeFont)
        return built_in
    try:
        # by its bytes: Pillow would look for a name that is missing in the system's folders
        return ImageFont.truetype(BytesIO(font_bytes(file)), size)
    except (OSError, ValueError) as error:
        raise OptionError(f"{file!r} is not a font that can be read; give a .ttf or .otf file.") from error


def font_bytes(file: str) -> bytes:
    """A font file.

    Raises:
        OptionError: it is missing or too large.
    """
    path = Path(file)
    try:
        if not path.is_file():
            raise OptionError(f"There is no font {file!r}; correct its name, or leave it out.")
        stat = path.stat()
        if stat.st_size > MAX_FONT_BYTES:
            raise OptionError(f"The font {file!r} has {stat.st_size} bytes, which no font has; correct it.")
        return _read(path, stat.st_size, stat.st_mtime_ns)
    except (OSError, ValueError) as error:
        raise OptionError(f"The font {file!r} cannot be read: {error}.") from error


@lru_cache(maxsize=2)
def _read(path: Path, size: int, changed: int) -> bytes:
    del size, changed
    return path.read_bytes()


def missing_letters(text: str, font: FreeTypeFont) -> list[str]:
    """Characters of a text that a font has no letter for, each once, in order."""
    absent = font.getmask(NO_LETTER)
    sign = absent.size, bytes(absent)
    missing = []
    for letter in dict.fromkeys(text):
        if letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf", "Mn", "Me", "Zs"):
            continue
        mask = font.getmask(letter)
        if (mask.size, bytes(mask)) == sign:
            missing.append(letter)
    return missing


def draw_text(text: str, style: TextStyle, size: tuple[int, int]) -> Drawn:
    """Text where its style puts it in a picture of this size.

    Lines that are too wide are broken between words, words that are too wide between letters; text that is
    too high is made smaller. Letters are anti-aliased.

    Raises:
        OptionError: there is no such font.
    """
    font, lines = fit_text(text, style, size)
    rgba = draw_lines(lines, font, style, centred=style.place != "lower-third")
    return Drawn(rgba, *_corner(rgba, style.place, size))


def line_pixels(font: FreeTypeFont) -> int:
    """Height of a line: from the tops of its letters to the bottoms, as the font says."""
    ascent, descent = font.getmetrics()
    return max(1, ascent + descent)


def fit_text(text: str, style: TextStyle, size: tuple[int, int]) -> tuple[FreeTypeFont, list[str]]:
    """The font at the largest size up to the style's at which the text fits, and its lines.

    Raises:
        OptionError: there is no such font.
    """
    width, height = size
    line = style.size * height
    while True:
        font = sized_font(style, line)
        lines = wrap(text, font, MOST * width)
        if len(lines) * line_pixels(font) <= MOST * height or line <= MIN_LINE:
            return font, lines
        line *= SHRINK


def sized_font(style: TextStyle, line: float) -> FreeTypeFont:
    """The font of a style with lines of so many pixels.

    Raises:
        OptionError: there is no such font.
    """
    ratio = MEASURED / line_pixels(load_font(style.font, MEASURED))
    return load_font(style.font, line * ratio)


def wrap(text: str, font: FreeTypeFont, width: float) -> list[str]:
    """Lines of a text that are no wider than `width` pixels, unless a letter is, and about equally long."""
    return [line for given in _clean(text).split("\n") for line in _even(given, font, width)]


def _clean(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(one for one in lines if one == "\n" or unicodedata.category(one) != "Cc")


def _even(line: str, font: FreeTypeFont, width: float) -> list[str]:
    """The lines that a line is broken into, at the smallest width that needs no more of them."""
    lines = list(_wrapped(line, font, width))
    if len(lines) == 1:
        return lines
    low, high = 0.0, width
    for _ in range(EVEN_STEPS):
        middle = (low + high) / 2
        narrow = list(_wrapped(line, font, middle))
        fits = len(narrow) == len(lines) and _words(narrow) == _words(lines)
        low, high, lines = (low, middle, narrow) if fits else (middle, high, lines)
    return lines


def _words(lines: list[str]) -> list[str]:
    return " ".join(lines).split()


def _wrapped(line: str, font: FreeTypeFont, width: float) -> Iterator[str]:
    if font.getlength(line) <= width:
        yield line
        return
    held = ""
    for word in line.split():
        longer = f"{held} {word}" if held else word
        if font.getlength(longer) <= width:
            held = longer
            continue
        if held:
            yield held
        *parts, held = _pieces(word, font, width)
        yield from parts
    yield held


def _pieces(word: str, font: FreeTypeFont, width: float) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and font.getlength(pieces[-1] + letter) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def draw_lines(lines: list[str], font: FreeTypeFont, style: TextStyle, *, centred: bool) -> Rgba:
    """Lines below each other, as small as they are, with straight transparency."""
    height = line_pixels(font)
    stroke = max(1, round(OUTLINE * height)) if style.outline else 0
    # letters may reach beyond what their font says of them
    room = stroke + max(2, height // 4)
    wide = max(font.getlength(line) for line in lines)
    size = int(wide + 1) + 2 * room, len(lines) * height + 2 * room
    fill, around = Image.new("L", size, 0), Image.new("L", size, 0)
    ascent = font.getmetrics()[0]
    for number, line in enumerate(lines):
        x = room + ((wide - font.getlength(line)) / 2 if centred else 0)
        at = (x, room + number * height + ascent)
        ImageDraw.Draw(fill).text(at, line, fill=255, font=font, anchor="ls")
        if stroke:
            ImageDraw.Draw(around).text(at, line, fill=255, font=font, anchor="ls", stroke_width=stroke)
    return _painted(fill, around, style)


def _painted(fill: Image.Image, around: Image.Image, style: TextStyle) -> Rgba:
    """The colour of the letters over that of the outline, each as opaque as it is."""
    colour, opaque = _colour(style.colour)
    outline, dense = _colour(style.outline or style.colour)
    letters = np.asarray(fill, np.float32)[..., None] / 255 * opaque
    under = np.asarray(around, np.float32)[..., None] / 255 * dense * (1 - letters)
    alpha = letters + under
    rgb = (colour * letters + outline * under) / np.maximum(alpha, 1e-6)
    rgb = np.where(alpha > 0, rgb, colour)
    rgba: Rgba = np.rint(np.concatenate([rgb, alpha], axis=2) * 255).astype(np.uint8)
    return rgba


def _colour(text: str) -> tuple[NDArray[np.float32], float]:
    """Red, green and blue of `#rrggbb` or `#rrggbbaa`, and how opaque it is, from 0 to 1."""
    parts = [int(text[at : at + 2], 16) / 255 for at in range(1, len(text), 2)]
    return np.array(parts[:3], np.float32), parts[3] if len(parts) > 3 else 1.0


def _corner(rgba: Rgba, place: Place, size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    high, wide = rgba.shape[:2]
    bottom = round(height * (1 - MARGIN)) - high
    left = round(width * MARGIN) if place == "lower-third" else (width - wide) // 2
    match place:
        case "top":
            top = round(height * MARGIN)
        case "center":
            top = (height - high) // 2
        case "bottom":
            top = bottom
        case "lower-third":
            top = min(round(height * LOWER_THIRD), bottom)
    return left, top
