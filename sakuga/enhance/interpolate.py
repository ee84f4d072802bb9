"""Pictures between two film frames, by blending, by optical flow or by a network."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.enhance.plan import WEIGHTS
from sakuga.enhance.spec import Interpolation
from sakuga.errors import ContractError
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture, Plane
from sakuga.models.between import Between, MotionFinder

CUT_CHANGE = 10.0
"""Mean luma change, of 255, below which two film frames are never a scene cut."""

CUT_RESIDUAL = 0.5
"""Share of the change that motion does not explain, above which it may be a scene cut."""

CUT_TRUSTED = 0.35
"""Share of trusted flow below which it is one: cuts had up to 0.22 when measured, quick pans from 0.6."""

FLASH_CHANGE, FLASH_RESIDUAL = 30.0, 0.8
"""Mean luma change, and the share of it that motion does not explain, from which it is a cut even where the
flow is trusted: a flash moves nothing, and a mix would show it before its sound. Fades change less a frame.
"""

STILL_MARGIN = 4
"""Source pixels around a changed one that count as changed: what an upscaler spreads into."""

HELD_WINDOW, HELD_CHANGE = 5, 3.0
"""Side of a square of samples, and the mean change in it, of 255, up to which nothing has moved. A drawing
that is held changes by its coding only: in x264 by less than this in every frame at CRF 20, in 9 of 10 at
CRF 24. What moves by less is not seen to move.
"""

TRUST = 1.0
"""Source pixels by which flow there and back may disagree before its confidence halves."""


@dataclass(frozen=True)
class FilmFrame:
    """A film frame as it came (`source`) and upscaled (`result`)."""

    number: int
    source: Picture
    result: Picture


@dataclass(frozen=True)
class Motion:
    """How one film frame moves into the next, at source size; `cut` where it does not.

    Flows have the shape (height, width, 2), in source pixels, x first; trusts and `still` (height, width).
    """

    cut: bool
    forward: Floats
    back: Floats
    forward_trust: Floats
    back_trust: Floats
    still: NDArray[np.bool_]


class Mixer:
    """Makes the pictures between film frames; each depends on its two film frames and weight only."""

    def __init__(self, method: Interpolation, finder: MotionFinder | None = None) -> None:
        """Begin a chunk.

        Args:
            method: how pictures are made.
            finder: what finds motion for `rife`.
        """
        self._method = method
        self._finder = finder
        self._pair: tuple[int, int] | None = None
        self._motion: Motion | None = None

    def mix(self, left: FilmFrame, right: FilmFrame, weight: int) -> Picture:
        """The picture `weight` of `WEIGHTS` of the way from `left` to `right`.

        Equal film frames give the left one's result itself; so do weight 0, a scene cut with `flow` and
        `rife`, and with `rife` film frames that are equal but for coding noise.
        """
        if weight == 0 or left.result is right.result or left.result.same_as(right.result):
            return left.result
        if self._method == "nearest":
            return left.result if 2 * weight < WEIGHTS else right.result
        if self._method == "blend":
            return blend(left.result, right.result, weight)
        motion = self._motion_between(left, right)
        # not the nearer frame: a cut must never be seen before its sound is heard
        if motion is None or motion.cut:
            return left.result
        if self._method == "flow":
            return warp(left.result, right.result, flow_at(motion, weight), motion.still)
        if self._finder is None:
            raise ContractError("Nothing was opened to find motion with; a film frame is not interpolated.")
        between = self._finder.between(left.source, right.source, weight / WEIGHTS)
        return warp(left.result, right.result, between, motion.still)

    def _motion_between(self, left: FilmFrame, right: FilmFrame) -> Motion | None:
        """The motion between two film frames; None where a drawing is held and none may be invented."""
        pair = (left.number, right.number)
        if self._pair != pair:
            held = self._method == "rife" and is_held(left.source, right.source)
            self._motion = None if held else find_motion(left.source, right.source)
            self._pair = pair
        return self._motion


def blend(left: Picture, right: Picture, weight: int) -> Picture:
    """Mean of two pictures, weighted with `weight` of `WEIGHTS` and rounded exactly, halves up."""
    planes = []
    for a, b in zip(left.planes, right.planes, strict=True):
        total = a.astype(np.uint32)
        total *= np.uint32(WEIGHTS - weight)
        total += np.multiply(b, np.uint32(weight), dtype=np.uint32)
        total += np.uint32(WEIGHTS // 2)
        total >>= np.uint32(WEIGHTS.bit_length() - 1)
        planes.append(_like(total, a))
    return Picture(tuple(planes), left.layout)


def find_motion(left: Picture, right: Picture) -> Motion:
    """Optical flow between two source pictures both ways, by DIS (T. Kroeger et al., ECCV 2016).

    Trust falls where flow there and back does not return to where it started, as where something is covered.
    """
    a, b = _luma8(left), _luma8(right)
    forward, back = _flow(a, b), _flow(b, a)
    trust = _trust(forward, back)
    return Motion(
        cut=_is_cut(a, b, forward, trust),
        forward=forward,
        back=back,
        forward_trust=trust,
        back_trust=_trust(back, forward),
        still=_still(left, right),
    )


def is_held(left: Picture, right: Picture) -> bool:
    """Whether two source pictures show the same but for coding noise, everywhere and in every plane."""
    unit = 1 << (left.layout.depth - 8)
    window = (HELD_WINDOW, HELD_WINDOW)
    return all(
        float(np.abs(cv2.blur(a.astype(np.float32) - b, window)).max()) <= HELD_CHANGE * unit
        for a, b in zip(left.planes, right.planes, strict=True)
    )


def flow_at(motion: Motion, weight: int) -> Between:
    """How the picture at `weight` of `WEIGHTS` is made, from the flow between both pictures.

    The flow at the time between is estimated from both flows as in Super SloMo (H. Jiang et al., CVPR 2018);
    each picture's share follows its trust.
    """
    t = np.float32(weight / WEIGHTS)
    to_left = -(1 - t) * t * motion.forward + t * t * motion.back
    to_right = (1 - t) ** 2 * motion.forward - t * (1 - t) * motion.back
    height, width = to_left.shape[:2]
    x, y = _grid(width, height)
    from_left = (1 - t) * _pull(motion.forward_trust, to_left, x, y)
    from_right = t * _pull(motion.back_trust, to_right, x, y)
    return Between(to_left, to_right, (from_right / (from_left + from_right)).astype(np.float32))


def warp(left: Picture, right: Picture, between: Between, still: NDArray[np.bool_]) -> Picture:
    """The picture between two results of any size, each moved and weighted as was found at source size.

    Moving the results with resized motion keeps their sharpness, and costs the network nothing at their size.
    Where `still` says so the left result stays as it is: titles do not tremble.
    """
    share = np.where(still, np.float32(0), between.share)
    to_left = np.where(still[..., None], np.float32(0), between.to_left)
    planes = tuple(
        _warp_plane(a, b, to_left, between.to_right, share)
        for a, b in zip(left.planes, right.planes, strict=True)
    )
    return Picture(planes, left.layout)


def _warp_plane(a: Plane, b: Plane, to_left: Floats, to_right: Floats, share: Floats) -> Plane:
    height, width = a.shape
    x, y = _grid(width, height)
    moved_a = _pull(a.astype(np.float32), _fit(to_left, width, height), x, y, cv2.INTER_CUBIC)
    moved_b = _pull(b.astype(np.float32), _fit(to_right, width, height), x, y, cv2.INTER_CUBIC)
    part = _resized(share, width, height)
    mixed = moved_a + part * (moved_b - moved_a)
    # a cubic overshoots at edges: no sample may leave the codes of its depth
    np.clip(np.rint(mixed, out=mixed), 0, 255 if a.dtype == np.uint8 else 1023, out=mixed)
    return _like(mixed, a)


def _flow(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Floats:
    if min(a.shape) < 16:
        return np.zeros((*a.shape, 2), np.float32)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(dis.calc(a, b, np.zeros((*a.shape, 2), np.float32)), np.float32)


def _trust(there: Floats, back: Floats) -> Floats:
    height, width = there.shape[:2]
    x, y = _grid(width, height)
    returned = there + _pull(back, there, x, y)
    error = (returned**2).sum(axis=2) / TRUST**2
    trust: Floats = (1 / (1 + error)).astype(np.float32) + np.float32(1e-3)
    return trust


def _is_cut(a: NDArray[np.uint8], b: NDArray[np.uint8], forward: Floats, trust: Floats) -> bool:
    change = float(cv2.absdiff(a, b).mean())
    trusted = float((trust > 0.5).mean()) > CUT_TRUSTED
    if change < (FLASH_CHANGE if trusted else CUT_CHANGE):
        return False
    x, y = _grid(a.shape[1], a.shape[0])
    residual = float(np.abs(_pull(b.astype(np.float32), forward, x, y) - a).mean())
    return residual > (FLASH_RESIDUAL if trusted else CUT_RESIDUAL) * change


def _still(left: Picture, right: Picture) -> NDArray[np.bool_]:
    """Where luma and chroma of both source pictures are equal, and so are their surroundings."""
    height, width = left.height, left.width
    changed = np.zeros((height, width), np.uint8)
    for a, b in zip(left.planes, right.planes, strict=True):
        here = (a != b).astype(np.uint8)
        changed |= _like(cv2.resize(here, (width, height), interpolation=cv2.INTER_NEAREST), changed)
    side = 2 * STILL_MARGIN + 1
    return np.asarray(cv2.dilate(changed, np.ones((side, side), np.uint8)) == 0)


def _pull(image: Floats, flow: Floats, x: Floats, y: Floats, method: int = cv2.INTER_LINEAR) -> Floats:
    """`image` at every pixel's place moved along `flow`; edges repeat."""
    moved = cv2.remap(image, x + flow[..., 0], y + flow[..., 1], method, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _grid(width: int, height: int) -> tuple[Floats, Floats]:
    return np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]


def _fit(flow: Floats, width: int, height: int) -> Floats:
    """Flow for a picture of another size: resampled, and its steps scaled."""
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return _resized(flow, width, height) * scale


def _resized(field: Floats, width: int, height: int) -> Floats:
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _luma8(picture: Picture) -> NDArray[np.uint8]:
    shift = picture.layout.depth - 8
    return (picture.planes[0] >> shift).astype(np.uint8)


def _like(samples: NDArray[np.generic], plane: Plane) -> Plane:
    return samples.astype(np.uint8) if plane.dtype == np.uint8 else samples.astype(np.uint16)
