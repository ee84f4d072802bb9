"""The plan: which output frames there are, when, and what each is made of.

Three layers, each an index into the one below:

    decoded frame   what the decoder gives, in presentation order; its time is in the packet index
    film frame      a whole progressive picture: a decoded frame, two fields woven, or a deinterlaced field
    output frame    a film frame, or a mix of two neighbouring ones, at an exact time
"""

from fractions import Fraction

from sakuga.media.film import Film
from sakuga.media.info import Frozen, PixelLayout, Rational


class Geometry(Frozen):
    """Sizes from the stored picture to the result, in pixels.

    `upright` is the stored size after rotation, `output` the size of the result with square pixels; both of
    the result's sides are even.
    """

    stored: tuple[int, int]
    upright: tuple[int, int]
    output: tuple[int, int]


class Chunk(Frozen):
    """Output frames [first, end), made from the film frames [film_first, film_end)."""

    index: int
    first: int
    end: int
    film_first: int
    film_end: int

    @property
    def frames(self) -> int:
        """Number of output frames."""
        return self.end - self.first


class Plan(Frozen):
    """Every output frame, exactly.

    Output frame i is shown at `times[i]` ticks of `time_base` after the earliest start of any stream of the
    source. It is film frame `left[i]` where `weight[i]` is 0, else the mix
    `(1 - weight[i] / WEIGHTS) * left[i] + (weight[i] / WEIGHTS) * (left[i] + 1)`. `end` is when the last
    frame stops being shown, in the same ticks. `frame_rate` is the constant rate, None where times vary.
    """

    time_base: Rational
    times: tuple[int, ...]
    end: int
    left: tuple[int, ...]
    weight: tuple[int, ...]
    frame_rate: Rational | None
    film: Film
    geometry: Geometry
    layout: PixelLayout
    """Layout of the result's pictures, as the encoder gets them."""
    chunks: tuple[Chunk, ...]

    def time(self, frame: int) -> Fraction:
        """When output frame `frame` is shown, in seconds."""
        return self.times[frame] * self.time_base


WEIGHTS = 1 << 16
"""Denominator of a mix: fine enough that 10-bit samples are exact to a rounding step."""
