"""A small cartoon, drawn by code: a fox on a walk, in three shots."""

import math
from functools import lru_cache

import numpy as np

from app.demo_canvas import LINE, Canvas, Ink, Point, Rgb

ORANGE: Ink = (238, 124, 48)
DARK_ORANGE: Ink = (196, 88, 36)
CREAM: Ink = (255, 240, 218)
SCARF: Ink = (52, 128, 150)
WHITE: Ink = (255, 255, 255)


def sky(canvas: Canvas, top: Ink, bottom: Ink) -> None:
    """A vertical gradient over the whole canvas."""
    share = np.linspace(0, 1, canvas.image.shape[0])[:, None, None]
    canvas.image[:] = np.round(np.array(top) * (1 - share) + np.array(bottom) * share).astype(np.uint8)


def cloud(canvas: Canvas, x: float, y: float, scale: float, fill: Ink = WHITE) -> None:
    """A cloud of round puffs with one outline around all of them."""
    puffs = ((-34, 4, 18), (-14, -8, 24), (14, -4, 20), (34, 6, 14), (0, 8, 22))
    canvas.place(x, y, scale)
    for rim, ink in ((2.4, LINE), (0.0, fill)):
        for left, top, radius in puffs:
            canvas.oval(left, top, radius + rim, radius * 0.8 + rim, ink, 0)


def hills(canvas: Canvas, shift: float, base: float, height: float, length: float, fill: Ink) -> None:
    """A rolling ridge from side to side, down to the lower edge."""
    ridge = [(x, base - height * math.sin((x + shift) / length)) for x in np.arange(-40.0, 700.0, 20.0)]
    canvas.place(0, 0)
    canvas.shape([*ridge, (720, 420), (-60, 420)], fill, 2.4, smooth=False)


def ridge_height(x: float, shift: float, base: float, height: float, length: float) -> float:
    """Where the ridge that `hills` draws is at x."""
    return base - height * math.sin((x + shift) / length)


def fox_head(canvas: Canvas, blink: float, mouth: float, look: float) -> None:
    """A fox's face around the origin, about 100 units wide.

    `blink` 0 is open and 1 closed, `mouth` 0 is a smile and 1 wide open, `look` moves the eyes sideways.
    """
    for side in (-1, 1):
        canvas.shape(
            [(side * 8, -32), (side * 24, -52), (side * 41, -70), (side * 46, -44), (side * 42, -12)], ORANGE
        )
        canvas.shape(
            [(side * 19, -34), (side * 28, -48), (side * 38, -58), (side * 40, -40), (side * 36, -24)],
            LINE,
            0,
        )
    right = [(0, -38), (26, -33), (43, -14), (50, 6), (60, 18), (46, 22), (26, 33)]
    canvas.shape([*right, (0, 38), *[(-x, y) for x, y in reversed(right[1:])]], ORANGE)
    cheek = [(0, 8), (12, -2), (27, 4), (44, 12), (55, 17.5), (44, 20.5), (25, 31)]
    canvas.shape([*cheek, (0, 36), *[(-x, y) for x, y in reversed(cheek[1:])]], CREAM, 0)
    for side in (-1, 1):
        x = side * 20 + look
        if blink > 0.7:
            canvas.stroke([(x - 8, 0), (x, 4), (x + 8, 0)], LINE, 2.6)
        else:
            open_high = 11 * (1 - 0.7 * blink)
            canvas.oval(x, -1, 7.5, open_high, LINE, 0)
            canvas.oval(x, 3, 5, open_high * 0.5, (120, 66, 40), 0)
            canvas.oval(x + 2.5, -5 + 4 * blink, 2.6, 3.2 * (1 - blink), WHITE, 0)
            canvas.oval(x - 2.5, 4, 1.4, 1.6 * (1 - blink), WHITE, 0)
        canvas.stroke(
            [(x - 7, -19 + 2 * blink), (x, -22 + 2 * blink), (x + 7, -19 + 2 * blink)], DARK_ORANGE, 3
        )
        canvas.oval(side * 35, 14, 6, 3.4, (255, 170, 150), 0)
    canvas.shape([(-6, 11), (0, 9.5), (6, 11), (0, 17)], LINE, 0)
    if mouth > 0.15:
        canvas.shape(
            [(-10, 22), (0, 23), (10, 22), (6, 23 + 11 * mouth), (-6, 23 + 11 * mouth)], (170, 44, 52), 2
        )
        canvas.oval(0, 22.5 + 8 * mouth, 5, 2.6 * mouth, (244, 128, 120), 0)
    else:
        canvas.stroke([(-12, 21), (-6, 25), (0, 20), (6, 25), (12, 21)], LINE, 2.2)


def fox(
    canvas: Canvas, x: float, ground: float, scale: float, phase: float, blink: float, mouth: float
) -> None:
    """The whole fox in mid-stride, its feet on `ground`; one stride is a phase of 2 pi."""
    bounce = 7 * abs(math.sin(phase))
    hip = -34 - bounce
    swing = 15 * math.sin(phase)
    canvas.place(x, ground, scale)
    wag = 10 * math.sin(phase + 0.6)
    tail = [
        (-10, hip + 4),
        (-34, hip + 10),
        (-62, hip - 8 + wag),
        (-70, hip - 38 + wag),
        (-50, hip - 28 + wag),
        (-30, hip - 10),
    ]
    canvas.shape(tail, ORANGE)
    canvas.shape(
        [(-66, hip - 20 + wag), (-70, hip - 38 + wag), (-53, hip - 30 + wag), (-58, hip - 22 + wag)], CREAM, 0
    )
    lift = max(0.0, math.cos(phase)) * 8, max(0.0, -math.cos(phase)) * 8
    canvas.limb([(6, hip), (4 - swing / 2, hip / 2), (2 - swing, -4 - lift[1])], DARK_ORANGE, 9)
    canvas.limb([(10, hip - 26), (18 + swing / 2, hip - 14), (22 + swing, hip - 6)], DARK_ORANGE, 7)
    canvas.shape(
        [(-16, hip - 34), (0, hip - 40), (16, hip - 34), (20, hip), (0, hip + 10), (-20, hip)], ORANGE
    )
    canvas.shape([(-6, hip - 30), (6, hip - 30), (11, hip - 4), (0, hip + 5), (-9, hip - 4)], CREAM, 0)
    canvas.limb([(-6, hip), (-4 + swing / 2, hip / 2), (-2 + swing, -4 - lift[0])], ORANGE, 10)
    canvas.oval(2 + swing, -4 - lift[0], 9, 5, LINE, 0)
    canvas.oval(6 - swing, -4 - lift[1], 9, 5, LINE, 0)
    canvas.limb([(-12, hip - 28), (-18 - swing / 2, hip - 14), (-14 - swing, hip - 6)], ORANGE, 8)
    wave = 7 * math.sin(phase * 1.5)
    canvas.shape(
        [
            (-14, hip - 44),
            (-38, hip - 48 + wave),
            (-64, hip - 44 - wave),
            (-62, hip - 32 - wave),
            (-36, hip - 36 + wave),
            (-12, hip - 32),
        ],
        SCARF,
    )
    canvas.shape(
        [(-20, hip - 45), (0, hip - 40), (20, hip - 45), (20, hip - 34), (0, hip - 28), (-20, hip - 34)],
        SCARF,
    )
    canvas.place(x + 3 * scale, ground + (hip - 72) * scale, scale, 2.5 * math.sin(phase))
    fox_head(canvas, blink, mouth, 3)


def tree(canvas: Canvas, x: float, ground: float, scale: float, fill: Ink) -> None:
    """A round tree."""
    canvas.place(x, ground, scale)
    canvas.shape([(-5, 6), (-4, -40), (4, -40), (6, 6)], (120, 78, 56), 2.2, smooth=False)
    crown = [(-30, -50), (-24, -80), (0, -96), (24, -80), (32, -52), (14, -38), (-12, -36)]
    canvas.shape(crown, fill)
    canvas.stroke([(-14, -56), (-6, -50), (2, -56)], LINE, 1.6)
    canvas.stroke([(4, -74), (12, -68), (18, -75)], LINE, 1.6)


@lru_cache(maxsize=1)
def _tufts() -> tuple[Point, ...]:
    rng = np.random.default_rng(3)
    rows = sorted(rng.uniform(0, 60, 60))
    return tuple(
        (number * 760 / 60 * 23 % 760 + float(rng.uniform(0, 9)), row) for number, row in enumerate(rows)
    )


def meadow(canvas: Canvas, shift: float, base: float, height: float, length: float) -> None:
    """Grass and flowers along the nearest ridge."""
    for number, (across, down) in enumerate(_tufts()):
        x = (across - shift) % 760 - 60
        y = ridge_height(x, shift, base, height, length) + 14 + down
        canvas.place(x, y, 0.7 + y / 500)
        canvas.stroke([(-4, 0), (-5, -8)], (52, 104, 56), 2)
        canvas.stroke([(0, 0), (1, -10)], (52, 104, 56), 2)
        if number % 4 == 0:
            for angle in range(0, 360, 72):
                spoke = math.radians(angle)
                canvas.oval(5 * math.cos(spoke), -14 + 5 * math.sin(spoke), 3, 3, (252, 214, 226), 0.9)
            canvas.oval(0, -14, 2.4, 2.4, (250, 196, 60), 0.9)


def signpost(canvas: Canvas, x: float, ground: float) -> None:
    """A wooden sign with the name of the film."""
    canvas.place(x, ground, 1, -3)
    canvas.shape([(-5, 10), (-4, -60), (4, -60), (5, 10)], (134, 92, 62), 2.2, smooth=False)
    canvas.shape(
        [(-56, -104), (46, -104), (64, -80), (46, -56), (-56, -56)], (206, 158, 104), 2.6, smooth=False
    )
    canvas.stroke([(-46, -66), (-10, -64), (30, -66)], (158, 110, 70), 1.4)
    canvas.letters("SAKUGA", -2, -86, 20, LINE)
    canvas.letters("this way, 2x", -2, -68, 9, LINE)


def walk(size: tuple[int, int], time: float) -> Rgb:
    """First shot: the fox walks over the hills in the morning."""
    canvas = Canvas(size)
    sky(canvas, (96, 176, 232), (226, 240, 236))
    canvas.place(0, 0)
    for glow, ink in ((46, (236, 238, 204)), (34, (252, 240, 168)), (26, (255, 226, 110))):
        canvas.oval(528, 70, glow, glow, ink, 0)
    for x, y, scale in ((90, 62, 1.0), (330, 44, 0.7), (600, 118, 0.8)):
        cloud(canvas, (x - 14 * time) % 760 - 60, y, scale)
    hills(canvas, 30 + 8 * time, 232, 34, 92, (150, 196, 152))
    for x in (70, 250, 300, 520):
        spot = (x - 24 * time) % 760 - 60
        tree(canvas, spot, ridge_height(spot, 260 + 24 * time, 268, 18, 130), 0.62, (94, 156, 104))
    hills(canvas, 260 + 24 * time, 268, 18, 130, (116, 180, 108))
    near = (70 * time, 310.0, 10.0, 150.0)
    hills(canvas, *near, (132, 204, 96))
    post = 430 - 70 * time + 60
    signpost(canvas, post, ridge_height(post, *near) + 4)
    meadow(canvas, *near)
    fox_x = 150 + 52 * time
    blink = 1.0 if 0.55 < time % 1.7 < 0.7 else 0.0
    fox(canvas, fox_x, ridge_height(fox_x, *near) + 16, 1.0, time * 9.4, blink, 0.0)
    return canvas.picture()


def close_up(size: tuple[int, int], time: float) -> Rgb:
    """Second shot: the face fills the picture; only eyes, mouth and scarf move."""
    canvas = Canvas(size)
    sky(canvas, (250, 206, 150), (254, 236, 204))
    cloud(canvas, 110, 80, 1.5, (255, 248, 236))
    cloud(canvas, 560, 120, 1.2, (255, 248, 236))
    hills(canvas, 120, 300, 26, 110, (206, 176, 120))
    canvas.place(320, 200)
    wave = 8 * math.sin(time * 5)
    canvas.shape([(-80, 90), (0, 64), (80, 90), (130, 190), (-130, 190)], ORANGE, 3.4)
    canvas.shape(
        [
            (-88, 96),
            (-190, 84 + wave),
            (-250, 104 - wave),
            (-240, 140 - wave),
            (-180, 122 + wave),
            (-80, 132),
        ],
        SCARF,
        3.4,
    )
    canvas.shape([(-92, 92), (0, 112), (92, 92), (98, 128), (0, 152), (-98, 128)], SCARF, 3.4)
    for x in (-60, -20, 20, 60):
        canvas.stroke([(x, 110 - abs(x) / 8), (x + 4, 142 - abs(x) / 8)], (38, 96, 116), 2.4)
    canvas.place(320, 196, 2.5, -3)
    talk = (0.0, 0.9, 0.4, 1.0, 0.2, 0.7)[int(time * 8) % 6] if 0.4 < time < 1.5 else 0.0
    blink = 1.0 if 0.25 < time < 0.38 or 1.6 < time < 1.72 else 0.0
    fox_head(canvas, blink, talk, 2 if time < 1.1 else -3)
    for side in (-1, 1):
        for row in (0, 1, 2):
            canvas.stroke([(side * (38 + 2 * row), 8 + 5 * row), (side * 62, 4 + 8 * row)], LINE, 0.7)
    return canvas.picture()


@lru_cache(maxsize=1)
def _stars() -> tuple[tuple[float, float, float], ...]:
    rng = np.random.default_rng(7)
    return tuple(
        (float(x), float(y), float(r)) for x, y, r in rng.uniform((0, 0, 0.8), (640, 220, 2.2), (70, 3))
    )


def evening(size: tuple[int, int], time: float) -> Rgb:
    """Third shot: the fox jumps under the stars, and the title comes up."""
    canvas = Canvas(size)
    sky(canvas, (30, 34, 84), (196, 122, 140))
    canvas.place(0, 0)
    for x, y, bright in _stars():
        canvas.oval(x, y, bright, bright, (255, 244, 214), 0)
    around = np.linspace(0.6, 2 * math.pi - 0.6, 24)
    outer = [(84 + 32 * math.cos(a), 70 + 32 * math.sin(a)) for a in around]
    inner = [(98 + 22 * math.cos(a), 70 + 22 * math.sin(a)) for a in around[::-1]]
    canvas.place(84, 70, 1, -25)
    canvas.shape([(x - 84, y - 70) for x, y in outer + inner], (255, 240, 200), 2.2, smooth=False)
    hills(canvas, 30, 250, 36, 96, (92, 84, 132))
    hills(canvas, 240, 286, 20, 140, (70, 78, 112))
    near = (40.0, 318.0, 12.0, 150.0)
    hills(canvas, *near, (58, 96, 96))
    meadow(canvas, *near)
    jump = 60 * abs(math.sin(time * 4.2))
    fox(canvas, 470, ridge_height(470, *near) + 14 - jump, 0.95, time * 4.2, 0.0, 0.9 if jump > 30 else 0.0)
    canvas.place(250, 150, 1 + 0.02 * math.sin(time * 6))
    canvas.letters("Little Fox", 0, -26, 58, (255, 214, 120), 3)
    canvas.letters("takes the long way home", 0, 24, 21, WHITE, 2)
    return canvas.picture()


SHOTS = ((walk, 2.75), (close_up, 1.75), (evening, 1.5))
"""Each shot with its length in seconds; the cartoon starts again after the last."""


def drawing(time: float, size: tuple[int, int]) -> Rgb:
    """The drawing at `time` seconds, as an RGB picture of shape (height, width, 3)."""
    time %= sum(length for _, length in SHOTS)
    for shot, length in SHOTS[:-1]:
        if time < length:
            return shot(size, time)
        time -= length
    return SHOTS[-1][0](size, time)
