"""Drawings that the code makes itself; they belong to nobody."""

import cv2
import numpy as np
from numpy.random import Generator

from training.still import Rgb
from training.strokes import (
    FILLS,
    Canvas,
    area,
    curve,
    far_details,
    gradient,
    ink,
    lettering,
    stroke,
)

LARGER = 3
"""Drawings are made this much larger and shrunk by area, as a camera or scanner sees them."""


def drawing(seed: int, size: int = 512) -> Rgb:
    """A drawing; the same seed and size give the same one.

    Outlines of varying weight, flat fills, gradients, hatching, screentone, lettering and thin far details.

    Args:
        seed: which one.
        size: width and height in pixels.
    """
    random = np.random.default_rng([0xD2A3, seed])
    side = size * LARGER
    # few gradients are without banding: the canvas has 8 bits, as drawings have
    canvas = np.ascontiguousarray(FILLS[random.integers(len(FILLS))](random, side))
    if random.random() < 0.5:
        canvas = np.ascontiguousarray(gradient(random, side))
    if random.random() < 0.5:
        far_details(random, canvas)
    for _ in range(random.integers(3, 10)):
        _shape(random, canvas)
    for _ in range(random.integers(0, 4)):
        _bundle(random, canvas)
    for _ in range(random.integers(0, 3)):
        lettering(random, canvas)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def weight(random: Generator, side: int) -> float:
    """Width of a line: from under one pixel of the finished drawing to several."""
    return float(LARGER * random.choice([0.5, 1, 1, 1.5, 2, 3, 5]) * max(1, side / 1536))


def _shape(random: Generator, canvas: Canvas) -> None:
    """An area with a fill, mostly a shadow of two tones, and mostly an outline."""
    side = len(canvas)
    outline = curve(random, side, int(random.integers(4, 10)), closed=True)
    inside = area(side, outline)
    fill = FILLS[random.integers(len(FILLS))](random, side)
    canvas[inside] = fill[inside]
    if random.random() < 0.6:
        shadow = inside & area(side, outline + random.uniform(-0.12, 0.12, 2) * side)
        canvas[shadow] = (canvas[shadow] * random.uniform(0.6, 0.9)).astype(np.uint8)
    if random.random() < 0.85:
        closed = np.concatenate([outline, outline[:1]])
        stroke(canvas, closed, ink(random, 0, 70), weight(random, side), random.choice([0, 0.4, 0.8]))


def _bundle(random: Generator, canvas: Canvas) -> None:
    """Lines that run side by side, as hair, folds and speed lines do."""
    side = len(canvas)
    line = curve(random, side, int(random.integers(3, 6)), closed=False)
    colour, thick, taper = ink(random, 0, 110), weight(random, side), random.uniform(0, 1)
    drift = random.uniform(-0.03, 0.03, 2) * side
    for number in range(random.integers(1, 12)):
        bend = np.linspace(0, random.uniform(0, 1), len(line))[:, None]
        stroke(canvas, line + number * drift * (1 + bend), colour, thick, taper)
