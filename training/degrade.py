"""What happens to pictures on their way to becoming a source: made smaller, worn, coded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator

from sakuga.media.kernels import Floats
from training.coding import QUALITIES, Codec, Planes, coded
from training.still import Filter, Still, chroma_codes, luma_codes

SCALE = 2
"""How much smaller the source is than the truth."""

FRAMES = 5
"""Frames of a moving picture that an encoder gets, so that it predicts as it does in a clip."""

STRENGTHS = {"blur": (0.5, 1.6), "halo": (0.2, 1.0), "noise": (0.7, 7.0), "grain": (1.0, 7.0)}
"""From the least to the greatest that sources have, in the units of `Degradation`."""

CODE = 1 / 219
"""One code of luma of 8 bits in limited range."""


@dataclass(frozen=True)
class Degradation:
    """What is done to a picture, in the order of the attributes.

    Attributes:
        blur: standard deviation of a Gaussian, in samples of the truth.
        kernel: what makes it smaller.
        comb: samples that the picture has moved by between two fields that were not told apart cleanly.
        halo: strength of an unsharp mask, as old players and editors put on.
        noise: standard deviation of white noise, in codes of luma.
        grain: the same of film grain, which is coarser and weaker in light and shade.
        bands: levels of luma, 0 for all of them; what coarse coding makes of gradients.
        codec: the encoder.
        quality: in the encoder's own measure.
    """

    blur: float = 0.0
    kernel: Filter = "area"
    comb: int = 0
    halo: float = 0.0
    noise: float = 0.0
    grain: float = 0.0
    bands: int = 0
    codec: Codec = "none"
    quality: int = 0

    @property
    def moves(self) -> bool:
        """Whether it wants several frames."""
        return self.codec in ("h264", "mpeg2")

    @property
    def kind(self) -> str:
        """What is mainly done, in a word."""
        if self.codec != "none":
            return self.codec
        for name in ("comb", "halo", "noise", "grain", "bands", "blur"):
            if getattr(self, name):
                return name
        return "clean"


def degraded(frames: Sequence[Still], how: Degradation, random: Generator) -> list[Planes]:
    """Frames of a source of half the size, as a decoder gives them.

    Args:
        frames: the truth, of one size whose sides are multiples of 4.
        how: what is done to all of them.
        random: makes noise and grain.
    """
    return coded([_worn(frame, how, random) for frame in frames], how.codec, how.quality)


def draw(random: Generator, clean: float) -> Degradation:
    """A degradation as sources have them.

    Args:
        random: decides.
        clean: share, from 0 to 1, of pictures that are only made smaller.
    """
    kernels: tuple[Filter, ...] = ("area", "bilinear", "cubic", "lanczos", "aliased")
    how = Degradation(kernel=kernels[random.choice(5, p=[0.3, 0.1, 0.25, 0.25, 0.1])])
    if random.random() < clean:
        return how
    kinds = ("h264", "mpeg2", "jpeg", "blur", "halo", "noise", "grain", "bands", "comb")
    kind = kinds[random.choice(len(kinds), p=[0.28, 0.12, 0.25, 0.05, 0.05, 0.12, 0.06, 0.04, 0.03])]
    if random.random() < 0.15:
        how = _also(how, kinds[random.integers(3, len(kinds))], random, 0.5)
    return _also(how, kind, random, 1.0)


def _also(how: Degradation, kind: str, random: Generator, most: float) -> Degradation:
    """A degradation with one more thing done, at up to `most` of the greatest strength."""
    share = most * random.random()
    if kind in ("h264", "mpeg2", "jpeg"):
        codec: Codec = "h264" if kind == "h264" else "mpeg2" if kind == "mpeg2" else "jpeg"
        low, high = QUALITIES[codec]
        return replace(how, codec=codec, quality=int(random.integers(low, high + 1)))
    if kind == "bands":
        return replace(how, bands=int(32 + 64 * (1 - share)))
    if kind == "comb":
        return replace(how, comb=int(1 + 2 * share))
    least, greatest = STRENGTHS[kind]
    strength = least + (greatest - least) * share
    if kind == "blur":
        return replace(how, blur=strength)
    if kind == "halo":
        return replace(how, halo=strength)
    return replace(how, noise=strength) if kind == "noise" else replace(how, grain=strength)


def _worn(frame: Still, how: Degradation, random: Generator) -> Planes:
    if how.blur:
        frame = Still(cv2.GaussianBlur(frame.luma, (0, 0), how.blur).astype(np.float32), frame.chroma)
    width, height = frame.size
    small = frame.resized(width // SCALE, height // SCALE, how.kernel)
    luma = small.luma
    if how.comb:
        luma = _combed(luma, how.comb)
    if how.halo:
        luma = luma + np.float32(how.halo) * (luma - cv2.GaussianBlur(luma, (0, 0), 1.2))
    if how.noise:
        luma = luma + random.normal(0, how.noise * CODE, luma.shape).astype(np.float32)
    if how.grain:
        luma = luma + _grain(luma, how.grain, random)
    if how.bands:
        luma = (np.floor(np.clip(luma, 0, 1) * how.bands) + np.float32(0.5)) / np.float32(how.bands)
    blue, red = small.chroma
    return luma_codes(luma), chroma_codes(blue), chroma_codes(red)


def _combed(luma: Floats, shift: int) -> Floats:
    """Lines of the other field where the picture has moved on, softened down as deinterlacers leave them."""
    other = np.roll(luma, shift, axis=1)
    other[:, :shift] = luma[:, :1]
    woven = luma.copy()
    woven[1::2] = 0.5 * luma[1::2] + 0.5 * other[1::2]
    return np.asarray(cv2.sepFilter2D(woven, -1, np.ones(1), np.array([0.25, 0.5, 0.25])), np.float32)


def _grain(luma: Floats, strength: float, random: Generator) -> Floats:
    noise = cv2.GaussianBlur(random.normal(0, 1, luma.shape).astype(np.float32), (0, 0), 0.8)
    light = 4 * np.clip(luma, 0.05, 0.95) * (1 - np.clip(luma, 0.05, 0.95))
    return np.asarray(noise * (strength * CODE / max(float(noise.std()), 1e-6)) * light, np.float32)
