"""How one picture becomes another, as pure functions.

They work on red, green and blue, or on the planes of a picture one by one. On planes nothing is converted, so
that the beginning and the end of a transition are exactly the pictures before and after it, at any depth.
"""

from typing import Any

import cv2
import numpy as np

from sakuga.episode.conform import form_levels
from sakuga.episode.form import Form
from sakuga.episode.spec import Direction, Kind
from sakuga.errors import ContractError
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture, Plane

SOFT_EDGE = 0.02
"""Width of a wipe's edge as a part of its way."""
ZOOM = 3.0
"""How much larger the first picture has become when it has gone."""
ZOOM_ALONE = 1 / 3
"""Part of a zoom in which the first picture is alone, so that it is seen to grow."""


def crossfade(a: Floats, b: Floats, t: float) -> Floats:
    """`a` at t = 0, `b` at t = 1, evenly mixed between."""
    return a + np.float32(t) * (b - a)


def fade_through(a: Floats, b: Floats, t: float, level: float) -> Floats:
    """`a` becomes one level until t = 1/2, and that becomes `b`."""
    if t < 0.5:
        return a + np.float32(2 * t) * (np.float32(level) - a)
    return np.float32(level) + np.float32(2 * t - 1) * (b - np.float32(level))


def wipe(a: Floats, b: Floats, t: float, direction: Direction) -> Floats:
    """An edge moves across in a direction; behind it is `b`, and neither picture moves."""
    axis = 1 if direction in ("left", "right") else 0
    size = a.shape[axis]
    way = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / size
    if direction in ("left", "up"):
        way = way[::-1]
    shown = np.clip((t * (1 + SOFT_EDGE) - way) / SOFT_EDGE, 0, 1).astype(np.float32)
    shape = [1] * a.ndim
    shape[axis] = size
    return np.asarray(a + shown.reshape(shape) * (b - a), np.float32)


def slide(a: Floats, b: Floats, t: float, direction: Direction) -> Floats:
    """`b` comes in and pushes `a` out, by whole samples."""
    axis = 1 if direction in ("left", "right") else 0
    size = a.shape[axis]
    gone = min(size, int(t * size + 0.5))
    if direction in ("left", "up"):
        parts = np.split(a, [gone], axis)[1], np.split(b, [gone], axis)[0]
    else:
        parts = np.split(b, [size - gone], axis)[1], np.split(a, [size - gone], axis)[0]
    return np.concatenate(parts, axis)


def zoom(a: Floats, b: Floats, t: float) -> Floats:
    """`a` grows about its middle, evenly as the eye sees it, and fades into `b` as it grows."""
    height, width = a.shape[:2]
    scale = ZOOM**-t
    x, y = (width - 1) / 2 * (1 - scale), (height - 1) / 2 * (1 - scale)
    matrix = np.array([[scale, 0, x], [0, scale, y]], np.float64)
    # a linear filter would make the first frames of a transition softer than those before it
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    grown = cv2.warpAffine(a, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    within = np.clip(np.asarray(grown, np.float32).reshape(a.shape), a.min(), a.max())
    return crossfade(within, b, max(0.0, (t - ZOOM_ALONE) / (1 - ZOOM_ALONE)))


def moment(frame: int, frames: int) -> float:
    """How far a transition of so many frames is at one of them: evenly between 0 and 1, and neither."""
    return (frame + 1) / (frames + 1)


def between(kind: Kind, a: Picture, b: Picture, t: float, direction: Direction, form: Form) -> Picture:
    """The picture at `t`, from 0 to 1, of the way from one picture to another.

    Args:
        kind: the transition.
        a: the picture that goes.
        b: the picture that comes.
        t: how far; at 0 the result is `a`, at 1 it is `b`.
        direction: where a wipe or slide moves to.
        form: of both pictures.

    Raises:
        ContractError: a cut has no pictures between.
    """
    luma, chroma = form_levels(form)
    if kind == "slide":
        # by as much as a whole number of chroma samples, so that colours stay where they belong
        across = direction in ("left", "right")
        steps = b.planes[1].shape[1] if across else b.planes[1].shape[0]
        t = int(t * steps + 0.5) / steps
    planes: list[Plane] = []
    for number, (one, other) in enumerate(zip(a.planes, b.planes, strict=True)):
        levels = chroma if number else luma
        through = levels.zero + (levels.span if kind == "fade-white" and not number else 0)
        mixed = _mixed(kind, one.astype(np.float32), other.astype(np.float32), t, direction, through)
        dtype: Any = one.dtype
        planes.append(np.clip(np.rint(mixed), 0, levels.top).astype(dtype))
    return Picture(tuple(planes), a.layout)


def _mixed(kind: Kind, a: Floats, b: Floats, t: float, direction: Direction, through: float) -> Floats:
    match kind:
        case "crossfade":
            return crossfade(a, b, t)
        case "fade-black" | "fade-white":
            return fade_through(a, b, t, through)
        case "wipe":
            return wipe(a, b, t, direction)
        case "slide":
            return slide(a, b, t, direction)
        case "zoom":
            return zoom(a, b, t)
        case "cut":
            raise ContractError("A cut has no pictures of its own; it must not be drawn.")
