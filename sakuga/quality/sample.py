"""Which frames of a result are looked at, and what is kept of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.enhance.plan import WEIGHTS, Plan
from sakuga.media.picture import Picture
from sakuga.media.resize import resize_luma
from sakuga.quality.measure import Levels, channels, colour_errors, psnr, ssim, thumbnail
from sakuga.settings import Limits

WHOLE = 600
"""Results of up to this many frames are looked at whole: 25 seconds of film, a second or two of decoding."""

SHARE = 0.01
"""Of a longer result this share of its frames is looked at, and never fewer than `WHOLE`: a two-hour film
gets 1700, so that checking stays a few percent of the cheapest job."""

WINDOWS = 12
"""A longer result is looked at in this many windows, so that every stretch is seen whole."""

SAMPLES = 24
"""Frames that are compared at full size."""

BLUR = 2.0
"""Sigma, in source samples, of the blur that a result must beat: it takes out nearly all grain, as a
denoiser may, and all fine lines, as none should. No fixed bound fits film with much grain."""

RESULT_LIMITS = Limits.model_construct(
    max_file_bytes=10**15,
    max_duration=10**9,
    max_pixels=1 << 30,
    max_output_pixels=1 << 30,
    max_streams=1000,
    max_frame_rate=1000,
    max_frames=10**9,
    open_timeout=120,
)
"""A result may be larger than what is accepted as a source."""

ReadFrames = Callable[[int, int], Iterator[Picture]]
"""Pictures of a half-open range of frames, in order."""


class Watch(Protocol):
    """Hears of every frame that was looked at; may raise to stop."""

    def __call__(self, frame: int) -> None:
        """Called after output frame `frame` has been looked at."""


@dataclass(frozen=True)
class Sample:
    """How an output frame, scaled back to the size of the source, agrees with the film frame it shows."""

    frame: int
    psnr: float
    ssim: float
    colour: tuple[float, ...]
    """For Y, U and V, how far the mean lies above the film's, in levels."""

    blurred_psnr: float = 100.0
    blurred_ssim: float = 1.0
    """The same measures of the film frame after a plain blur, against itself."""


@dataclass(frozen=True, eq=False)
class Window:
    """Thumbnails of the output frames from `first` on, and of the film around them by film frame."""

    first: int
    result: list[Levels] = field(default_factory=list)
    film: dict[int, Levels] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The output frame after the last."""
        return self.first + len(self.result)


def choose_windows(plan: Plan, keyframe: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of output frames to look at, in order and apart.

    They are spread evenly from the first frame to the last and begin at keyframes of the result where that
    is possible, since a decoder has to start there anyway. The choice depends on nothing but its arguments.

    Args:
        plan: the job's plan.
        keyframe: for each frame of the result, whether decoding can start there.
    """
    frames = min(len(plan.times), len(keyframe))
    budget = max(WHOLE, int(frames * SHARE))
    if frames <= budget:
        return ((0, frames),) if frames else ()
    # a low output rate means much film between output frames, and the film has to be decoded too
    span = max(1.0, plan.film.count / frames)
    length = max(2, int(budget / WINDOWS / span))
    windows: list[tuple[int, int]] = []
    for number in range(WINDOWS):
        first = number * (frames - length) // (WINDOWS - 1)
        free = windows[-1][1] if windows else 0
        before = np.flatnonzero(keyframe[free : first + 1])
        if len(before) and number < WINDOWS - 1:
            first = free + int(before[-1])
        windows.append((max(first, free), max(first, free) + length))
    return tuple((first, min(end, frames)) for first, end in windows if first < frames)


def choose_samples(plan: Plan, windows: tuple[tuple[int, int], ...], *, mixed: bool) -> frozenset[int]:
    """Output frames to compare at full size: spread over the windows, first and last among them.

    Args:
        plan: the job's plan.
        windows: half-open ranges of output frames.
        mixed: whether frames that mix two film frames may be taken, as is right where the mix is a plain
            blend; else they are taken only where there are no others.
    """
    seen = [frame for first, end in windows for frame in range(first, end)]
    whole = [frame for frame in seen if mixed or plan.weight[frame] == 0] or seen
    if len(whole) <= SAMPLES:
        return frozenset(whole)
    return frozenset(whole[number * (len(whole) - 1) // (SAMPLES - 1)] for number in range(SAMPLES))


def film_span(plan: Plan, first: int, end: int) -> tuple[int, int]:
    """Half-open range of film frames behind output frames [first, end), with a neighbour on both sides."""
    return max(0, min(plan.left[first:end]) - 1), min(plan.film.count, max(plan.left[first:end]) + 2)


def common_size(plan: Plan) -> tuple[int, int]:
    """Largest (width, height) that neither the film nor the result has to be enlarged to."""
    (width, height), (wide, high) = plan.geometry.upright, plan.geometry.output
    return min(width, wide), min(height, high)


def look(
    plan: Plan,
    window: tuple[int, int],
    samples: frozenset[int],
    read_film: ReadFrames,
    read_result: ReadFrames,
    *,
    film_full_range: bool,
    result_full_range: bool,
    watch: Watch | None = None,
) -> tuple[Window, list[Sample]]:
    """Look at one window; holds three pictures at a time, whatever its length.

    Args:
        plan: the job's plan.
        window: half-open range of output frames.
        samples: output frames to compare at full size.
        read_film: pictures of film frames, upright.
        read_result: pictures of output frames.
        film_full_range: range of the film's samples.
        result_full_range: range of the result's samples.
        watch: called for every output frame.
    """
    seen, compared = Window(window[0]), []
    low, high = film_span(plan, *window)
    film, held, at = read_film(low, high), dict[int, Picture](), low
    through = common_size(plan)
    for frame, picture in enumerate(read_result(*window), window[0]):
        right = min(plan.left[frame] + (plan.weight[frame] > 0), plan.film.count - 1)
        while at <= right:
            held[at] = next(film)
            seen.film[at] = thumbnail(held[at], film_full_range, through)
            held.pop(at - 2, None)
            at += 1
        seen.result.append(thumbnail(picture, result_full_range, through))
        if frame in samples:
            mix = (held[plan.left[frame]], held[right], plan.weight[frame] / WEIGHTS)
            compared.append(_compare(frame, picture, mix, film_full_range, result_full_range))
        if watch:
            watch(frame)
    for picture in film:
        seen.film[at] = thumbnail(picture, film_full_range, through)
        at += 1
    return seen, compared


def _compare(
    frame: int, picture: Picture, mix: tuple[Picture, Picture, float], film_full: bool, result_full: bool
) -> Sample:
    left, right, weight = mix
    # a result can be smaller than its source on one side: both are then compared at the smaller size
    size = min(left.width, picture.width), min(left.height, picture.height)
    expected = channels(left, film_full, size)
    if weight:
        other = channels(right, film_full, size)
        expected = tuple(a + (b - a) * np.float32(weight) for a, b in zip(expected, other, strict=True))
    got = channels(picture, result_full, size)
    luma = resize_luma(channels(picture, result_full)[0], size)
    soft = np.asarray(cv2.GaussianBlur(expected[0], (0, 0), BLUR), np.float32)
    return Sample(
        frame,
        psnr(luma, expected[0]),
        ssim(luma, expected[0]),
        colour_errors(got, expected),
        psnr(soft, expected[0]),
        ssim(soft, expected[0]),
    )
