"""Lines, areas and fills that drawings are made of."""

import math
import threading
from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Canvas = NDArray[np.uint8]
Points = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ink = tuple[int, int, int]

SHIFT = 4
"""Fractional bits of the places that OpenCV draws at."""

WORDS = ("Sakuga", "line", "tone", "12:45", "Ending", "OPENING", "next", "cut 07", "studio", "night", "sky")


def ink(random: Generator, low: int = 0, high: int = 255) -> Ink:
    """A colour; half of the time one with little colourfulness."""
    value = random.integers(low, high + 1, 3)
    if random.random() < 0.5:
        value = (value + 3 * int(value.mean())) // 4
    return int(value[0]), int(value[1]), int(value[2])


def curve(random: Generator, size: int, points: int, closed: bool) -> Points:
    """A smooth curve over a square of `size`, shape (places, 2)."""
    if closed:
        angles = np.sort(random.uniform(0, 2 * math.pi, points))
        reach = random.uniform(0.05, 0.35) * size * random.uniform(0.5, 1.5, points)
        knots = np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None]
        knots = knots + random.uniform(0.1, 0.9, 2) * size
    else:
        knots = random.uniform(-0.1, 1.1, (points, 2)) * size
        if random.random() < 0.5:
            knots = knots[0] + (knots - knots[0]) * random.uniform(0.1, 0.5)
    return smooth(knots, closed)


def smooth(knots: Points, closed: bool, steps: int = 16) -> Points:
    """Catmull and Rom's spline through knots of shape (knots, 2)."""
    padded = np.concatenate([knots[-1:], knots, knots[:2]] if closed else [knots[:1], knots, knots[-1:]])
    share = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = 2 * p0 - 5 * p1 + 4 * p2 - p3
        parts.append(p1 + (share * (p2 - p0) + share**2 * bend + share**3 * (3 * p1 - p0 - 3 * p2 + p3)) / 2)
    return np.concatenate(parts)


def stroke(canvas: Canvas, line: Points, colour: Ink, width: float, taper: float = 0.0) -> None:
    """A line of varying weight: `width` in its middle, less by `taper` (0 to 1) towards its ends."""
    share = np.linspace(-1, 1, len(line))
    widths = width * (1 - taper * share**2)
    places = np.round(line * 2**SHIFT).astype(np.int64)
    for (x0, y0), (x1, y1), thick in zip(places.tolist(), places[1:].tolist(), widths.tolist(), strict=False):
        cv2.line(canvas, (x0, y0), (x1, y1), colour, max(1, round(thick)), cv2.LINE_AA, SHIFT)


def area(size: int, outline: Points) -> Mask:
    """The samples inside of a closed curve."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    return mask.astype(bool)


def flat(random: Generator, size: int) -> Canvas:
    """One colour."""
    return np.full((size, size, 3), ink(random), np.uint8)


def gradient(random: Generator, size: int) -> Canvas:
    """From one colour to another, in any direction."""
    angle = random.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:size, 0:size] / size
    share = np.clip((x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle) + 0.5, 0, 1)[..., None]
    ends = np.array([ink(random), ink(random)], float)
    return np.asarray(ends[0] + (ends[1] - ends[0]) * share).astype(np.uint8)


def hatching(random: Generator, size: int) -> Canvas:
    """Thin parallel lines, sometimes crossed."""
    canvas = flat(random, size).copy()
    colour, step = ink(random, 0, 120), random.uniform(0.008, 0.03) * size
    for angle in random.uniform(0, math.pi, 2 if random.random() < 0.3 else 1):
        along = np.array([math.cos(angle), math.sin(angle)]) * size
        across = np.array([-math.sin(angle), math.cos(angle)])
        width = random.uniform(0.1, 0.4) * step
        for offset in np.arange(-size, size, step):
            middle = size / 2 + across * offset
            stroke(canvas, np.stack([middle - along, middle + along]), colour, width)
    return canvas


def screentone(random: Generator, size: int) -> Canvas:
    """Dots in a turned grid, as printed comics have."""
    angle, step = random.uniform(0, math.pi / 2), random.uniform(0.012, 0.04) * size
    y, x = np.mgrid[0:size, 0:size]
    u = (x * math.cos(angle) + y * math.sin(angle)) / step
    v = (y * math.cos(angle) - x * math.sin(angle)) / step
    height = np.cos(2 * math.pi * u) + np.cos(2 * math.pi * v)
    dark = (height > random.uniform(-0.8, 1.2))[..., None]
    inks = np.array([ink(random, 0, 110), ink(random, 120)], np.uint8)
    return np.asarray(np.where(dark, inks[0], inks[1]), np.uint8)


FILLS: tuple[Callable[[Generator, int], Canvas], ...] = (
    flat,
    flat,
    flat,
    gradient,
    gradient,
    hatching,
    screentone,
)


_letters = threading.Lock()
"""Held while letters are drawn: FreeType's library is one for all threads."""


def lettering(random: Generator, canvas: Canvas) -> None:
    """A few words, mostly with an outline."""
    size = len(canvas)
    image = Image.fromarray(canvas)
    height = float(random.uniform(0.02, 0.12) * size)
    words = " ".join(random.choice(WORDS, random.integers(1, 4)))
    place = tuple((random.uniform(-0.1, 0.8, 2) * size).tolist())
    rim = int(random.integers(0, 3)) * size // 400
    fill, edge = ink(random), ink(random, 0, 80)
    with _letters:
        font = ImageFont.load_default(height)
        draw = ImageDraw.Draw(image)
        draw.text((place[0], place[1]), words, fill, font, stroke_width=rim, stroke_fill=edge)
    canvas[:] = np.asarray(image)


def far_details(random: Generator, canvas: Canvas) -> None:
    """Small houses with windows, poles and wires along a horizon."""
    size = len(canvas)
    level, x = random.uniform(0.3, 0.8) * size, 0.0
    while x < size:
        wide, high = random.uniform(0.02, 0.1) * size, random.uniform(0.02, 0.2) * size
        colour, dark = ink(random, 60), ink(random, 0, 80)
        corners = (round(x), round(level - high)), (round(x + wide), round(level))
        cv2.rectangle(canvas, *corners, colour, -1)
        cv2.rectangle(canvas, *corners, dark, max(1, size // 700))
        step = random.uniform(0.008, 0.02) * size
        for left in np.arange(x + step / 2, x + wide - step / 2, step):
            for top in np.arange(level - high + step / 2, level - step / 2, step * 1.4):
                window = (round(left), round(top)), (round(left + step / 2), round(top + step * 0.7))
                cv2.rectangle(canvas, *window, dark, -1)
        x += wide * random.uniform(1, 1.6)
    for _ in range(random.integers(0, 4)):
        heights = level - random.uniform(0.1, 0.3, 5) * size
        wire = np.stack([np.linspace(-10, size + 10, 5), heights], 1)
        stroke(canvas, smooth(wire, closed=False), ink(random, 0, 60), size / 700)
