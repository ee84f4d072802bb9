"""Text over pictures: samples that it does not touch stay as they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sakuga.episode.conform import form_levels
from sakuga.episode.form import Form
from sakuga.episode.titles import Drawn
from sakuga.media.colour import luma_shares
from sakuga.media.kernels import Floats, resample
from sakuga.media.picture import Picture, Plane
from sakuga.media.resize import Levels, chroma_axes

NOTHING = 1e-4
"""Less than this of a layer changes no sample."""


@dataclass(frozen=True, eq=False)
class Layer:
    """What lies over a part of a picture.

    `rgb`, shaped (height, width, 3), is from 0 to 1 and multiplied with `alpha`, shaped (height, width).
    Sides and place are even.
    """

    rgb: Floats
    alpha: Floats
    left: int
    top: int


def drawn_layer(drawn: Drawn, size: tuple[int, int], opacity: float = 1.0) -> Layer | None:
    """The part of a drawing that is within a picture of this size, None where there is none."""
    height, width = drawn.rgba.shape[:2]
    left, top = max(0, drawn.left), max(0, drawn.top)
    right, bottom = min(size[0], drawn.left + width), min(size[1], drawn.top + height)
    if right <= left or bottom <= top:
        return None
    seen = drawn.rgba[
        top - drawn.top : bottom - drawn.top,
        left - drawn.left : right - drawn.left,
    ].astype(np.float32)
    alpha = seen[..., 3] * np.float32(opacity / 255)
    rgb = seen[..., :3] * (alpha[..., None] / 255)
    around = ((top % 2, bottom % 2), (left % 2, right % 2))
    return Layer(
        np.pad(rgb, (*around, (0, 0))),
        np.pad(alpha, around),
        left - left % 2,
        top - top % 2,
    )


def overlay(picture: Picture, layer: Layer | None, form: Form) -> Picture:
    """The picture with a layer over it; itself where the layer shows nothing."""
    if layer is None or float(layer.alpha.max(initial=0)) < NOTHING:
        return picture
    planes = tuple(plane.copy() for plane in picture.planes)
    paint(planes, layer, form)
    return Picture(planes, picture.layout)


def paint(planes: tuple[Plane, ...], layer: Layer, form: Form) -> None:
    """Put a layer over the planes of a picture in place."""
    red, green, blue = luma_shares(form.colour.matrix)
    rgb = layer.rgb
    luma = rgb @ np.array([red, green, blue], np.float32)
    chroma = (rgb[..., 2] - luma) / np.float32(2 - 2 * blue), (rgb[..., 0] - luma) / np.float32(2 - 2 * red)
    levels = form_levels(form)
    _blend(planes[0], luma, layer.alpha, layer.left, layer.top, levels[0])
    size = layer.alpha.shape[1], layer.alpha.shape[0]
    axes = chroma_axes(size, size, "444", form.layout.chroma, form.colour.siting)
    # the filter swings past both ends a little
    alpha = np.clip(resample(layer.alpha, *axes), 0, 1)
    step_x, step_y = form.width // planes[1].shape[1], form.height // planes[1].shape[0]
    for plane, colour in zip(planes[1:], chroma, strict=True):
        x, y = layer.left // step_x, layer.top // step_y
        _blend(plane, resample(colour, *axes), alpha, x, y, levels[1])


def _blend(plane: Plane, value: Floats, alpha: Floats, left: int, top: int, levels: Levels) -> None:
    """Lay `value`, from 0 to 1 or around 0 and multiplied with `alpha`, over a part of a plane."""
    height, width = alpha.shape
    part: Any = plane[top : top + height, left : left + width]
    mixed = part * (1 - alpha) + (value * levels.span + alpha * levels.zero)
    np.clip(np.rint(mixed, out=mixed), 0, levels.top, out=mixed)
    part[...] = mixed.astype(plane.dtype)
