"""Anime4K's networks ACNet and ARNet through pyanime4k: small, no download, made for drawn pictures."""

import os
from functools import cached_property
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np

from sakuga.errors import MissingToolError
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture
from sakuga.media.resize import Levels, from_floats, resize_chroma, resize_luma
from sakuga.models.base import ModelCard

CELL = 8
"""Side, in source pixels, of the cells whose mean luma the result keeps."""

_NETWORKS = (
    ("acnet-gan", "ACNet", "Adds detail; for clean drawings."),
    ("acnet-hdn0", "ACNet", "Sharp lines and mild noise removal; the default."),
    ("acnet-hdn1", "ACNet", "Moderate noise removal."),
    ("acnet-hdn2", "ACNet", "Heavy noise removal."),
    ("acnet-hdn3", "ACNet", "Extreme noise removal; softens texture."),
    ("arnet-hdn", "ARNet", "Residual network with mild noise removal; close to the source."),
)

CARDS = tuple(
    ModelCard(name=name, architecture=architecture, scale=2, purpose=purpose, licence="MIT", domain="drawn")
    for name, architecture, purpose in _NETWORKS
)


class Anime4K:
    """Upscaler by one of Anime4K's networks, on the CPU.

    The network sees luma only, stretched to full range, which gains 0.03 dB (arnet-hdn) to 0.4 dB
    (acnet-hdn3) on drawings against luma as it is. It cuts what is outside black and white, and some
    networks shift flat areas by up to 2/255: samples outside are carried over from the source, and so is
    the mean of every cell. Chroma is resampled.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = f"pyanime4k-{version('pyanime4k')}-{name}"

    @cached_property
    def _processor(self) -> Any:  # noqa: ANN401 - the package has no types that mypy can see
        # Its OpenMP reads this once, when it is loaded. Without it, waiting threads spin on the cores that
        # the decoder and encoder need: beside other work a small picture took fourteen times as long.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from pyanime4k import Processor, pyac

        # an unknown name gives another network without a word
        if self.name not in pyac.specs.ModelNameList:
            raise MissingToolError(
                f"The installed pyanime4k has no model {self.name}; install the version in constraints.txt."
            )
        return Processor(processor_type="cpu", device=0, model=self.name)

    def upscale(
        self,
        picture: Picture,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
    ) -> Picture:
        """Upscale a whole picture; see `Upscaler.upscale`."""
        target = target or colour
        source = Levels.of(picture.layout.depth, colour.full_range, chroma=False)
        result = Levels.of(layout.depth, target.full_range, chroma=False)
        black, gain = np.float32(source.zero), np.float32(1 / source.span)
        luma = self._enlarge((picture.planes[0] - black) * gain, size)
        first = from_floats(luma, Levels(0, 1, 1), result)
        return Picture((first, *resize_chroma(picture, size, layout, colour, target)), layout)

    def _enlarge(self, luma: Floats, size: tuple[int, int]) -> Floats:
        inside = np.clip(luma, 0, 1)
        result = inside
        while True:
            result = self._processor(result)
            if result.shape[1] >= size[0] and result.shape[0] >= size[1]:
                break
        if (result.shape[1], result.shape[0]) != size:
            result = resize_luma(result, size)
        keep_means(result, inside)
        outside = luma - inside
        if outside.any():
            result += resize_luma(outside, size, "cubic")
        return result


def keep_means(result: Floats, source: Floats) -> None:
    """Shift `result` smoothly, in place, so that its cells have the mean luma of the source's.

    Both show the same picture, at any sizes. A cell is `CELL` source pixels wide and high.
    """
    cells = -(-source.shape[1] // CELL), -(-source.shape[0] // CELL)
    error = _shrink(source, cells) - _shrink(result, cells)
    height, width = result.shape
    result += cv2.resize(error, (width, height), interpolation=cv2.INTER_LINEAR)


def _shrink(plane: Floats, size: tuple[int, int]) -> Floats:
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
