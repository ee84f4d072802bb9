"""Anime4K's networks on a luma plane. Runs in processes of its own: see `processes`."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from sakuga.errors import MissingToolError
from sakuga.media.kernels import Floats
from sakuga.media.picture import Plane
from sakuga.media.resize import Levels, from_floats, resize_luma

CELL = 8
"""Side, in source pixels, of the cells whose mean luma the result keeps."""


def enlarge_luma(name: str, luma: Plane, source: Levels, result: Levels, size: tuple[int, int]) -> Plane:
    """Enlarge a luma plane with one of Anime4K's networks.

    The network sees luma stretched to full range, which gains 0.03 dB (arnet-hdn) to 0.4 dB (acnet-hdn3) on
    drawings against luma as it is. It cuts what is outside black and white, and some networks shift flat
    areas by up to 2/255: samples outside are carried over from the source, and so is the mean of every cell.

    Args:
        name: the network.
        luma: samples of shape (height, width) that mean what `source` says.
        source: levels of `luma`.
        result: levels of the samples that come back.
        size: width and height of the result in pixels.

    Raises:
        MissingToolError: the installed pyanime4k has no such network.
    """
    floats = (luma - np.float32(source.zero)) * np.float32(1 / source.span)
    inside = np.clip(floats, 0, 1)
    network, enlarged = _network(name), inside
    while True:
        enlarged = network(enlarged)
        if enlarged.shape[1] >= size[0] and enlarged.shape[0] >= size[1]:
            break
    if (enlarged.shape[1], enlarged.shape[0]) != size:
        enlarged = resize_luma(enlarged, size)
    keep_means(enlarged, inside)
    outside = floats - inside
    if outside.any():
        enlarged += resize_luma(outside, size, "cubic")
    return from_floats(enlarged, Levels(0, 1, 1), result)


@lru_cache(maxsize=2)
def _network(name: str) -> Any:  # noqa: ANN401 - the package has no types that mypy can see
    from pyanime4k import Processor, pyac

    # an unknown name gives another network without a word
    if name not in pyac.specs.ModelNameList:
        raise MissingToolError(
            f"The installed pyanime4k has no model {name}; install the version in constraints.txt."
        )
    return Processor(processor_type="cpu", device=0, model=name)


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
