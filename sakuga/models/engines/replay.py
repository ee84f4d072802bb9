"""Work recorded once per shape and replayed, with a check that the recording is right."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from sakuga.models.engines.memory import is_out_of_memory

Run = Callable[[Tensor], Tensor]

CLOSE = 1e-3
"""Largest difference between a replay and the same work done step by step, by the same kernels."""

MOST_RECORDINGS = 3
"""Times that one shape is recorded: shapes that keep driving each other out are not worth it."""


class Replays:
    """Recordings of a function for the shapes that were used last.

    A shape is recorded when it comes for the second time. Where recording fails, or its first replay differs
    from the function, that shape is done step by step from then on.

    Args:
        eager: the function, step by step.
        record: makes a recording for pictures of one shape.
        most: recordings that are kept; each holds memory of its own.
    """

    def __init__(self, eager: Run, record: Callable[[Tensor], Run], most: int) -> None:
        self._eager, self._record, self._most = eager, record, most
        self._kept: OrderedDict[torch.Size, Run] = OrderedDict()
        self._recordings: dict[torch.Size, int] = {}

    def __call__(self, rgb: Tensor) -> Tensor:
        """The function's result; not for several threads at once."""
        shape = rgb.shape
        if shape in self._kept:
            self._kept.move_to_end(shape)
            return self._kept[shape](rgb)
        result = self._eager(rgb)
        made = self._recordings.get(shape)
        if made is None:
            self._recordings[shape] = 0
        elif made < MOST_RECORDINGS:
            self._recordings[shape] = made + 1 if self._keep(rgb, result) else MOST_RECORDINGS
        return result

    def _keep(self, rgb: Tensor, expected: Tensor) -> bool:
        """Record, check and keep; False where this shape cannot be recorded."""
        while len(self._kept) >= self._most:
            self._kept.popitem(last=False)
        try:
            run = self._record(rgb)
            right = agrees(run(rgb), expected)
        except RuntimeError as error:
            if is_out_of_memory(error):
                self.clear()
            return False
        if right:
            self._kept[rgb.shape] = run
        return right

    @property
    def recorded(self) -> int:
        """Recordings that are held."""
        return len(self._kept)

    def clear(self) -> None:
        """Let all recordings go, and what they hold."""
        self._kept.clear()


def agrees(replayed: Tensor, expected: Tensor) -> bool:
    """Whether a replay gives what the function gives: the same kernels in the same order."""
    if replayed.shape != expected.shape:
        return False
    difference = (replayed - expected).abs().nan_to_num(nan=0.0 if _same_gaps(replayed, expected) else 1.0)
    return bool((difference <= CLOSE).all())


def _same_gaps(one: Tensor, other: Tensor) -> bool:
    return bool((torch.isfinite(one) == torch.isfinite(other)).all())
