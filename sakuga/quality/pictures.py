"""Checks of the result's pictures against the film that they were made of."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.enhance.plan import WEIGHTS, Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.quality.check import Check
from sakuga.quality.measure import THUMBNAIL, Levels, apart, longest_run, moved, row_errors
from sakuga.quality.sample import BLUR, Sample, Window, common_size

PSNR_ENOUGH = 32.0
SSIM_ENOUGH = 0.92
"""A frame as near to its film frame as this is right in any case; one of grainy film has to be nearer than
the film frame after a plain blur. On real clips at a quality of 17 every model stays above 35 dB and 0.96,
but for strong denoisers on grain, which stay 1 dB above the blur."""

PLAIN_QUALITY = 20
PSNR_PER_STEP = 0.45
SSIM_PER_STEP = 0.01
"""How much lower the bounds are for each step of the quality number above `PLAIN_QUALITY`: coding loss then
outweighs the model's. x264's quality falls by about half a dB with each step."""

COARSE_QUALITY = 32
LEVELS_PER_STEP = 1.0
COLOUR_PER_STEP = 0.1
"""Above this number whole blocks lose their detail and skip to the frame before: each step then lets rows and
frames differ by this much more, and mean colours too."""

COLOUR_BOUND = 1.0
"""In levels of 255: what the eye and an 8-bit meter cannot tell."""

SITING_LEVELS, SITING_SIDE = 64.0, 64
"""Chroma that is sited at the left of a pixel pair sees a quarter sample less of the right edge: up to a
quarter of 255 levels over the width, which counts below this many pixels a side."""

BLACK = 24.0
"""A thumbnail no brighter than this is black (16) with some noise."""

BLACK_SOURCE = 8.0
"""The film must be brighter than the result by this much before a black frame counts as new."""

MOVED = 6.0
"""Levels by which the film must move before a result that stands still counts as frozen."""

STILL = 1.5
"""Levels by which coding noise alone changes a result that shows one picture."""

FROZEN_FRAMES = 3
"""Frames that show one picture before it is a frozen stretch."""

TORN_ROWS = 4
"""Rows of 36 that must belong to something else: one ninth of the height."""

TORN = 10.0
"""Levels by which such a row differs from the film, ten times what models and coding change in a row."""

PLACE_SHARE = 0.5
"""A frame is out of place where a neighbouring film frame is nearer than this share of its own distance."""

PLACE = 2.0
"""Levels of mean difference from its own film frame below which a frame is in place in any case."""


def check_pictures(
    plan: Plan, spec: EnhanceSpec, windows: Sequence[Window], samples: Sequence[Sample]
) -> tuple[Check, ...]:
    """All checks of pictures: agreement, colour, place, black, frozen and torn."""
    slack = LEVELS_PER_STEP * _steps(spec, COARSE_QUALITY)
    return (
        *_agreement(spec, samples),
        _colour(plan, spec, samples),
        _in_place(plan, slack, windows),
        _no_black(plan, windows),
        _no_frozen(plan, windows),
        _no_torn(plan, slack, windows),
    )


def bounds(spec: EnhanceSpec, sample: Sample) -> tuple[float, float]:
    """Lowest PSNR (dB) and SSIM that this frame of such a job may have."""
    steps = _steps(spec, PLAIN_QUALITY)
    return (
        min(PSNR_ENOUGH, sample.blurred_psnr) - steps * PSNR_PER_STEP,
        min(SSIM_ENOUGH, sample.blurred_ssim) - steps * SSIM_PER_STEP,
    )


def _steps(spec: EnhanceSpec, quality: int) -> int:
    """Steps of the quality number above this one; ProRes has its own scale, where all are good."""
    return max(0, spec.quality - quality) if spec.codec != "prores" else 0


def _agreement(spec: EnhanceSpec, samples: Sequence[Sample]) -> tuple[Check, Check]:
    nothing = Sample(0, 0, 0, (0, 0, 0))
    by_psnr = min(samples, key=lambda s: s.psnr - bounds(spec, s)[0], default=nothing)
    by_ssim = min(samples, key=lambda s: s.ssim - bounds(spec, s)[1], default=nothing)
    psnr_bound, ssim_bound = bounds(spec, by_psnr)[0], bounds(spec, by_ssim)[1]
    mean_psnr = sum(s.psnr for s in samples) / max(1, len(samples))
    mean_ssim = sum(s.ssim for s in samples) / max(1, len(samples))
    return (
        Check(
            name="PSNR against the source",
            value=f"{by_psnr.psnr:.1f} dB",
            bound=f">= {psnr_bound:.1f} dB",
            passed=bool(samples) and by_psnr.psnr >= psnr_bound,
            detail=f"frame {by_psnr.frame}, nearest of {len(samples)} to its bound; mean {mean_psnr:.1f} dB",
        ),
        Check(
            name="SSIM against the source",
            value=f"{by_ssim.ssim:.4f}",
            bound=f">= {ssim_bound:.4f}",
            passed=bool(samples) and by_ssim.ssim >= ssim_bound,
            detail=f"frame {by_ssim.frame}, nearest of {len(samples)} to its bound; mean {mean_ssim:.4f}",
        ),
    )


def _colour(plan: Plan, spec: EnhanceSpec, samples: Sequence[Sample]) -> Check:
    errors = np.array([s.colour for s in samples] or [(np.inf,) * 3])
    shift = np.abs(errors.mean(axis=0))
    bound = COLOUR_BOUND + COLOUR_PER_STEP * _steps(spec, COARSE_QUALITY)
    side = min(plan.geometry.upright)
    bound += SITING_LEVELS / side if side < SITING_SIDE else 0
    names = "Y", "U", "V"
    return Check(
        name="Mean colour",
        value=f"{shift.max():.2f}/255",
        bound=f"< {bound:g}/255",
        passed=bool(shift.max() < bound),
        detail=", ".join(
            f"{name} {value:+.2f}" for name, value in zip(names, errors.mean(axis=0), strict=True)
        ),
    )


def expected(plan: Plan, window: Window, frame: int) -> Levels:
    """Thumbnail that output frame `frame` should have, as a plain mix of its film frames."""
    left, weight = plan.left[frame], plan.weight[frame] / WEIGHTS
    if not weight:
        return window.film[left]
    right = window.film[min(left + 1, plan.film.count - 1)]
    return np.asarray(window.film[left] * (1 - weight) + right * weight, np.float32)


def _verdict(name: str, bad: list[int], looked: int) -> Check:
    where = "" if not bad else f"frame {bad[0]}" if len(bad) == 1 else f"frames {ranges_text(bad)}"
    return Check(
        name=name,
        value=f"{len(bad)} of {looked} frames",
        bound="0",
        passed=not bad and looked > 0,
        detail=where,
    )


def ranges_text(frames: list[int]) -> str:
    """`3-7, 12` for a sorted list of frames, at most five ranges."""
    ranges: list[list[int]] = []
    for frame in frames:
        if ranges and frame == ranges[-1][1] + 1:
            ranges[-1][1] = frame
        else:
            ranges.append([frame, frame])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:5]]
    return ", ".join(texts) + (", ..." if len(ranges) > 5 else "")


def _looked(windows: Sequence[Window]) -> int:
    return sum(len(window.result) for window in windows)


def _in_place(plan: Plan, slack: float, windows: Sequence[Window]) -> Check:
    """Every frame shows what it should: not a neighbour of its film frame, nor something else altogether."""
    bad = []
    for window in windows:
        for frame, got in enumerate(window.result, window.first):
            wrong = _wrong_rows(plan, slack, window, frame, got)
            if wrong.all() or _nearer_to_neighbour(plan, slack, window, frame, got):
                bad.append(frame)
    return _verdict("Frames out of place", bad, _looked(windows))


def _nearer_to_neighbour(plan: Plan, slack: float, window: Window, frame: int, got: Levels) -> bool:
    left = plan.left[frame]
    own = apart(got, window.film[left])
    if plan.weight[frame] or own < PLACE + slack:
        return False
    others = [window.film[k] for k in (left - 1, left + 1) if k in window.film]
    return any(apart(got, other) < PLACE_SHARE * own for other in others)


def _no_black(plan: Plan, windows: Sequence[Window]) -> Check:
    bad = [
        frame
        for window in windows
        for frame, got in enumerate(window.result, window.first)
        if float(np.percentile(got, 98)) < BLACK
        and float((expected(plan, window, frame) - got).max()) > BLACK_SOURCE
    ]
    return _verdict("Black frames not in the source", bad, _looked(windows))


def _no_frozen(plan: Plan, windows: Sequence[Window]) -> Check:
    """No stretch shows one picture while the film moves on.

    Every frame of a stretch is compared with its first, so that a slow fade counts as movement.
    """
    bad: list[int] = []
    for window in windows:
        start = window.first
        while start < window.end:
            end = start + 1
            while end < window.end and _result_moved(window, start, end) < STILL:
                end += 1
            film = max(
                (_film_moved(plan, window, start, frame) for frame in range(start + 1, end)), default=0
            )
            if end - start >= FROZEN_FRAMES and film > MOVED:
                bad += range(start, end)
            start = end
    return _verdict("Frozen frames not in the source", bad, _looked(windows))


def _result_moved(window: Window, first: int, frame: int) -> float:
    return moved(window.result[first - window.first], window.result[frame - window.first])


def _film_moved(plan: Plan, window: Window, first: int, frame: int) -> float:
    """How far the film moved at the least: a mixed frame may hold either film frame, as it must at a cut."""
    return min(moved(a, b) for a in _shown(plan, window, first) for b in _shown(plan, window, frame))


def _shown(plan: Plan, window: Window, frame: int) -> list[Levels]:
    left = plan.left[frame]
    frames = (left, left + 1) if plan.weight[frame] else (left,)
    return [window.film[k] for k in frames if k in window.film]


def _no_torn(plan: Plan, slack: float, windows: Sequence[Window]) -> Check:
    """No frame has a band of rows that belongs to something else while its other rows are right."""
    bad = []
    for window in windows:
        for frame, got in enumerate(window.result, window.first):
            wrong = _wrong_rows(plan, slack, window, frame, got)
            if longest_run(wrong) >= TORN_ROWS and not wrong.all():
                bad.append(frame)
    return _verdict("Torn frames", bad, _looked(windows))


def _wrong_rows(plan: Plan, slack: float, window: Window, frame: int, got: Levels) -> NDArray[np.bool_]:
    """Rows that are not what they should be.

    Between two film frames that differ, a mix by motion may differ from a plain mix by as much as they do.
    """
    allowed = np.full(len(got), TORN + slack, np.float32)
    if plan.weight[frame]:
        allowed += row_errors(*_pair(plan, window, frame))
    want = expected(plan, window, frame)
    width, height = common_size(plan)
    if width < THUMBNAIL[0] or height < THUMBNAIL[1]:
        # nothing averages out in a tiny picture: its finest detail may go, as in a whole frame
        sigma = BLUR * THUMBNAIL[0] / width, BLUR * THUMBNAIL[1] / height
        soft = cv2.GaussianBlur(want, (0, 0), sigma[0], sigmaY=sigma[1])
        allowed += row_errors(want, np.asarray(soft, np.float32))
    return np.asarray(row_errors(got, want) > allowed)


def _pair(plan: Plan, window: Window, frame: int) -> tuple[Levels, Levels]:
    left = plan.left[frame]
    return window.film[left], window.film[min(left + 1, plan.film.count - 1)]
