"""What kind of pictures a stretch of decoded frames holds, by the votes of its frames."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sakuga.analysis.fields import FieldMeasures

Kind = Literal["still", "progressive", "interlaced", "telecined", "shifted"]
"""`shifted`: every frame has one field of its neighbour, whole pictures cut at the wrong place."""

MOVING = 0.15
"""Combing of a weave with a neighbour's field, above which a frame moves enough to have a vote."""
CLEAN = 0.12
"""A weave this much less combed than the others has fields of one picture. On real clips progressive frames
stay under 0.06 and interlaced ones are over 0.2."""
MIN_TORN = 5
"""Frames with two moments in them, below which a stretch is not called interlaced."""
BARELY = 0.03
"""Combing below this share of the worst weave's is what any drawing has when it is held."""
ONE_SIDED = 0.85
"""Fields three apart in time comb more than fields one apart; in noise and stripes all comb alike."""
TELECINE = 5
"""Decoded frames in a cycle of 3:2 pulldown; four film frames are in them."""
SAME_CHANGE = 0.25
"""A frame is a duplicate if it changes less than this much of what any other frame of its cycle does."""
MOVING_CHANGE = 4.0
"""Change of a block in code values, above which a frame is not held; coding noise stays under it."""
MIN_CYCLES = 4
"""Moving cycles in a stretch, below which nothing is said about duplicates."""

DECIMATIONS: dict[tuple[Fraction, int], Fraction] = {
    (Fraction(30000, 1001), 5): Fraction(24000, 1001),
    (Fraction(30), 5): Fraction(24),
    (Fraction(30), 6): Fraction(25),
}
"""Rate of a source and its frames per duplicate: the rate of the film that was brought up to it."""


@dataclass(frozen=True)
class Votes:
    """How the frames of a stretch voted; `matched` are numbers of frames, the others count frames."""

    frames: int
    moving: int
    torn: int
    torn_tff: int
    matched_before: tuple[int, ...]
    matched_after: tuple[int, ...]

    @property
    def matched(self) -> int:
        """Combed frames whose top field fits the bottom field of a neighbour."""
        return len(self.matched_before) + len(self.matched_after)

    def kind(self) -> Kind:
        """What most moving frames say."""
        if self.moving < 3:
            return "still"
        mostly = max(self.matched_before, self.matched_after, key=len)
        if self.torn < 0.25 * self.moving and len(mostly) >= 0.75 * self.matched:
            if len(mostly) >= max(3, 0.08 * self.moving) and _in_cycles(mostly):
                return "telecined"
            if len(mostly) >= 0.5 * self.moving:
                return "shifted"
        in_one_order = max(self.torn_tff, self.torn - self.torn_tff) >= 0.7 * self.torn
        if self.torn >= MIN_TORN and self.torn + self.matched >= 0.4 * self.moving and in_one_order:
            return "interlaced"
        return "progressive"


def _in_cycles(numbers: tuple[int, ...]) -> bool:
    """Whether the frames lie at two neighbouring places of a telecine cycle, as combed frames do."""
    places = np.bincount(np.array(numbers) % TELECINE, minlength=TELECINE)
    return bool((places + np.roll(places, -1)).max() >= 0.8 * len(numbers))


def votes(measures: FieldMeasures, first: int, end: int) -> Votes:
    """Votes of the frames [first, end) of what was measured."""
    here, before, after = (
        np.nan_to_num(values[first:end], nan=np.inf)
        for values in (measures.here, measures.before, measures.after)
    )
    known = np.isfinite(before) & np.isfinite(after)
    moving = known & (np.maximum(before, after) > MOVING)
    is_before = moving & (here > MOVING) & (before <= CLEAN * np.minimum(here, after))
    is_after = moving & (here > MOVING) & (after <= CLEAN * np.minimum(here, before))
    least = np.minimum(before, after)
    most = np.maximum(before, after)
    # two moments in a frame: combed itself, and one neighbour's field is nearer in time than the other's
    one_sided = (least < ONE_SIDED * most) & (here < ONE_SIDED * most)
    combed = (least > MOVING / 2) & (here > CLEAN * least) & (here > BARELY * most)
    torn = moving & ~is_before & ~is_after & one_sided & combed
    return Votes(
        frames=end - first,
        moving=int(moving.sum()),
        torn=int(torn.sum()),
        torn_tff=int((torn & (before < after)).sum()),
        matched_before=tuple(np.flatnonzero(is_before).tolist()),
        matched_after=tuple(np.flatnonzero(is_after).tolist()),
    )


def duplicate_cycles(change: NDArray[np.float32], period: int) -> tuple[int, int]:
    """How many cycles of frames move throughout, and in how many of them one same phase is a duplicate."""
    best = (0, 0)
    for phase in range(period):
        cycles = change[phase : phase + (len(change) - phase) // period * period].reshape(-1, period)
        others = cycles[:, 1:].min(axis=1, initial=np.inf)
        moving = others > MOVING_CHANGE
        agreeing = moving & (cycles[:, 0] < SAME_CHANGE * others)
        best = max(best, (int(agreeing.sum()), int(moving.sum())))
    return best[1], best[0]
