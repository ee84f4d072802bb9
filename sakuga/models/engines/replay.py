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

REMEMBERED = 1000
"""Shapes whose runs are counted; with more, counting begins anew."""


class Replays:
    """Recordings of a function for the shapes that were used last.

    A shape is recorded when it has come a number of times. Where recording fails, or its first replay differs
    from the function, that shape is done step by step from then on. Where memory ends, recordings go first.

    Args:
        eager: the function, step by step.
        record: makes a recording for pictures of one shape.
        most: recordings that are kept; each holds memory of its own.
        after: runs of a shape, the last of which is recorded too.
    """

    def __init__(self, eager: Run, record: Callable[[Tensor], Run], most: int, after: int = 2) -> None:
        self._eager, self._record, self._most, self._after = eager, record, most, after
        self._kept: OrderedDict[torch.Size, Run] = OrderedDict()
        self._runs: dict[torch.Size, int] = {}

    def __call__(self, rgb: Tensor) -> Tensor:
        """The function's result; not for several threads at once."""
        shape = rgb.shape
        if shape in self._kept:
            self._kept.move_to_end(shape)
            return self._kept[shape](rgb)
        result = self._step_by_step(rgb)
        if len(self._runs) >= REMEMBERED:
            self._runs.clear()
        runs = self._runs[shape] = self._runs.get(shape, 0) + 1
        last = MOST_RECORDINGS * self._after
        if self._most and runs <= last and runs % self._after == 0 and not self._keep(rgb, result):
            self._runs[shape] = last
        return result

    def _step_by_step(self, rgb: Tensor) -> Tensor:
        try:
            return self._eager(rgb)
        except RuntimeError as error:
            if not self._kept or not is_out_of_memory(error):
                raise
        # not before the error is gone, which holds what was computed so far
        self.clear()
        return self._eager(rgb)

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
