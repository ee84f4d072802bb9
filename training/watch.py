"""Notices when training goes wrong."""

import math

from sakuga.errors import TrainingError

MEMORY = 0.98
"""Share of the mean loss that is of the losses before."""

PATIENCE = 50
"""Losses before the mean says anything."""

RISE = 3.0
"""How many times its lowest value the mean loss may become."""


class LossWatch:
    """The running mean of the loss, and whether it still makes sense."""

    def __init__(self) -> None:
        self.mean, self._lowest, self._steps = 0.0, math.inf, 0

    def take(self, loss: float, step: int) -> None:
        """Count a step's loss.

        Raises:
            TrainingError: it is no number, or the mean has risen far above what it was.
        """
        if not math.isfinite(loss):
            raise TrainingError(
                f"Training diverged: at step {step} the loss is no number; start again with a lower rate."
            )
        self._steps += 1
        self.mean += (loss - self.mean) * max(1 - MEMORY, 1 / self._steps)
        if self._steps < PATIENCE:
            return
        self._lowest = min(self._lowest, self.mean)
        if self.mean > RISE * self._lowest:
            raise TrainingError(
                f"Training diverged: by step {step} the mean loss has risen from {self._lowest:.5f} to "
                f"{self.mean:.5f}; start again with a lower rate."
            )

    def state(self) -> list[float]:
        """What a checkpoint keeps."""
        return [self.mean, self._lowest, float(self._steps)]

    def restore(self, state: list[float]) -> None:
        """Go on from what a checkpoint kept."""
        self.mean, self._lowest, self._steps = state[0], state[1], int(state[2])
