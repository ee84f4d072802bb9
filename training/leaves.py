"""Pictures with the statistics of photographs, made by the code; they belong to nobody.

Dead leaves: shapes of all sizes that lie over one another, with texture (Lee, Mumford and Huang, Occlusion
models for natural images, 2001; networks that restore photographs can learn from them: Achddou, Gousseau and
Ladjal, Synthetic images as a regularity prior for image restoration neural networks, 2021).
"""

import cv2
import numpy as np
from numpy.random import Generator

from sakuga.media.kernels import Floats
from training.still import Rgb

LARGER = 2
"""Pictures are made this much larger and shrunk by area, as a lens and a sensor do."""

SMALLEST = 3.0
"""Radius of the smallest leaf, in pixels of the large picture."""

TEXTURES = 5
"""Of one picture."""


def leaves(seed: int, size: int = 512) -> Rgb:
    """A picture; the same seed and size give the same one.

    Args:
        seed: which one.
        size: width and height in pixels.
    """
    random = np.random.default_rng([0x1EAF, seed])
    side = size * LARGER
    textures = [_texture(random, side) for _ in range(TEXTURES)]
    canvas = _filled(random, textures, (side, side))
    for _ in range(int(random.integers(150, 900))):
        _leaf(random, canvas, textures)
    lens = random.uniform(0, 1.2)
    if lens > 0.3:
        canvas = cv2.GaussianBlur(canvas, (0, 0), lens).astype(np.float32, copy=False)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    exposed = small * random.uniform(0.6, 1.1) + random.uniform(-30, 30)
    codes: Rgb = np.clip(np.rint(exposed), 0, 255).astype(np.uint8)
    return codes


def _texture(random: Generator, side: int) -> Floats:
    """Noise whose amplitude falls with the frequency, as that of photographs does; mean 0, deviation 1."""
    spectrum = np.fft.rfft2(random.normal(size=(side, side)).astype(np.float32))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    plane = np.fft.irfft2(spectrum / frequency ** random.uniform(0.7, 1.6), (side, side))
    return np.asarray((plane - plane.mean()) / plane.std(), np.float32)


def _filled(random: Generator, textures: list[Floats], shape: tuple[int, int]) -> Floats:
    """A surface: a colour, a gradient and a texture."""
    height, width = shape
    texture = textures[random.integers(len(textures))]
    top, left = (int(random.integers(0, texture.shape[0] - side + 1)) for side in shape)
    grain = texture[top : top + height, left : left + width] * np.float32(random.exponential(16))
    down, across = random.normal(0, 25, 2)
    light = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(down)
    light = light + np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(across)
    colour = (random.uniform(10, 245) + random.normal(0, 25, 3)).astype(np.float32)
    return np.asarray((grain + light)[..., None] + colour, np.float32)


def _leaf(random: Generator, canvas: Floats, textures: list[Floats]) -> None:
    """Lay a shape over the canvas; there are as many of each scale, and some more of the small ones."""
    side = canvas.shape[0]
    radius = SMALLEST * (side / 3 / SMALLEST) ** (random.random() ** 1.6)
    x, y = random.uniform(0, side, 2)
    reach = int(radius) + 4
    top, bottom = max(0, int(y) - reach), min(side, int(y) + reach)
    left, right = max(0, int(x) - reach), min(side, int(x) + reach)
    if bottom - top < 2 or right - left < 2:
        return
    mask = np.zeros((bottom - top, right - left), np.float32)
    turns = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(3, 12))))
    radii = radius * random.uniform(0.5, 1, len(turns))
    corners = np.stack([x - left + radii * np.cos(turns), y - top + radii * np.sin(turns)], axis=1)
    if random.random() < 0.5:
        axes = (max(1, int(radius * random.uniform(0.3, 1))), max(1, int(radius)))
        centre = int(x - left), int(y - top)
        cv2.ellipse(mask, centre, axes, random.uniform(0, 180), 0, 360, 1.0, -1, cv2.LINE_AA)
    else:
        cv2.fillPoly(mask, [np.rint(corners * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    focus = random.exponential(0.8)
    if focus > 0.5:
        mask = cv2.GaussianBlur(mask, (0, 0), focus).astype(np.float32, copy=False)
    part = canvas[top:bottom, left:right]
    part += mask[..., None] * (_filled(random, textures, mask.shape) - part)
