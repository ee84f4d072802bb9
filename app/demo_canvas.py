"""A canvas for flat shapes with outlines, much finer than the picture that comes out of it.

Drawings are made in stage units, 640 by 360, and reduced at the end, so that lines have the soft edges of
a real film frame.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Rgb = NDArray[np.uint8]
Point = tuple[float, float]
Ink = tuple[int, int, int]

STAGE = (640, 360)
FINER = 3
"""How many times finer than the picture it is drawn."""
SUBPIXEL = 4
"""Bits of a pixel that OpenCV is given in coordinates."""
LINE: Ink = (44, 28, 40)


class Canvas:
    """A picture that shapes with outlines are drawn on."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.zoom = FINER * max(size[0] / STAGE[0], size[1] / STAGE[1])
        self.image: Rgb = np.zeros((size[1] * FINER, size[0] * FINER, 3), np.uint8)
        self.origin: Point = (0, 0)
        self.scale = 1.0
        self.turn = 0.0

    def place(self, x: float, y: float, scale: float = 1.0, turn: float = 0.0) -> None:
        """Draw what follows around stage point (x, y), enlarged and turned clockwise by degrees."""
        self.origin, self.scale, self.turn = (x, y), scale, math.radians(turn)

    def _points(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        turned = points @ np.array([[cos, sin], [-sin, cos]]) * self.scale + np.array(self.origin)
        return np.asarray(np.round(turned * self.zoom * (1 << SUBPIXEL)), np.int32)

    def _width(self, width: float) -> int:
        return max(1, round(width * self.scale * self.zoom))

    def shape(self, points: Sequence[Point], fill: Ink, line: float = 2.2, smooth: bool = True) -> None:
        """A closed flat shape with an outline; `line` 0 leaves the outline out."""
        outline = self._points(curve(points, closed=True) if smooth else np.array(points, np.float64))
        cv2.fillPoly(self.image, [outline], fill, cv2.LINE_AA, SUBPIXEL)
        if line:
            cv2.polylines(self.image, [outline], True, LINE, self._width(line), cv2.LINE_AA, SUBPIXEL)

    def stroke(self, points: Sequence[Point], ink: Ink = LINE, width: float = 2.2) -> None:
        """An open line."""
        path = self._points(curve(points, closed=False))
        cv2.polylines(self.image, [path], False, ink, self._width(width), cv2.LINE_AA, SUBPIXEL)

    def limb(self, points: Sequence[Point], fill: Ink, width: float) -> None:
        """A thick line with an outline."""
        self.stroke(points, LINE, width + 4)
        self.stroke(points, fill, width)

    def oval(self, x: float, y: float, wide: float, high: float, fill: Ink, line: float = 2.2) -> None:
        """An ellipse with the given half axes."""
        angles = np.linspace(0, 2 * math.pi, 8, endpoint=False)
        self.shape([(x + wide * math.cos(a), y + high * math.sin(a)) for a in angles], fill, line)

    def letters(self, text: str, x: float, y: float, height: float, ink: Ink, edge: float = 0) -> None:
        """Lettering centred on (x, y), with an edge in the colour of the lines."""
        font = ImageFont.load_default(height * self.scale * self.zoom)
        page = Image.fromarray(self.image)
        spot = self._points(np.array([(x, y)], np.float64))[0] / (1 << SUBPIXEL)
        ImageDraw.Draw(page).text(
            (float(spot[0]), float(spot[1])),
            text,
            ink,
            font,
            "mm",
            stroke_width=self._width(edge) if edge else 0,
            stroke_fill=LINE,
        )
        self.image = np.array(page)

    def picture(self) -> Rgb:
        """The finished picture, reduced to its size."""
        return np.asarray(cv2.resize(self.image, self.size, interpolation=cv2.INTER_AREA), np.uint8)


def curve(points: Sequence[Point], closed: bool, steps: int = 8) -> NDArray[np.float64]:
    """Points of the Catmull-Rom spline through `points`, as an array of shape (n, 2)."""
    knots = np.array(points, np.float64)
    padded = np.vstack(
        [knots[-1:], knots, knots[:2]]
        if closed
        else [2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]]
    )
    a, b, c, d = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    path = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = np.asarray(path, np.float64).reshape(-1, 2)
    return flat if closed else np.vstack([flat, knots[-1:]])
