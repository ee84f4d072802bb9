"""Half precision under watch: some pictures are computed again in fp32."""

import math
import threading
from collections.abc import Callable

from torch import Tensor

from sakuga.models.base import EngineUse
from sakuga.models.engines.base import Engine
from sakuga.models.engines.parity import PARITY_DB, parity

WATCH_EVERY = 240
"""Runs between two that are computed again: with fp32 at half the speed it costs less than a hundredth."""

WATCH_EVERY_CUDA = 2400
"""The same on a GPU, where fp32 without TF32 takes up to 16 times as long, and memory has to be had anew."""


class WatchedEngine:
    """An engine in half precision that goes on in fp32 when a sampled result is too far from it.

    The first run is sampled, while others wait for the verdict, and then every `WATCH_EVERY`-th. Where a
    sample fails, its result is the one in fp32; results before it stay what they were.

    Args:
        engine: the one to watch; closed with this one.
        open_exact: opens the engine in fp32, whenever one is needed.
        bound: PSNR in dB that sampled results must reach.
    """

    def __init__(self, engine: Engine, open_exact: Callable[[], Engine], bound: float = PARITY_DB) -> None:
        self.use: EngineUse = engine.use
        self.device = engine.device
        self.steady = engine.steady
        self.parallel = engine.parallel
        self._engine = engine
        self._open_exact = open_exact
        self._bound = bound
        self._every = WATCH_EVERY_CUDA if engine.device.type == "cuda" else WATCH_EVERY
        self._fell_back = False
        self._left = 0
        """Runs until the next one that is sampled."""
        self._trusted = False
        self._counting = threading.Lock()
        self._sampling = threading.Lock()

    def run(self, rgb: Tensor) -> Tensor:
        """The network's result; see `Engine.run`."""
        if self._fell_back:
            return self._engine.run(rgb)
        with self._counting:
            self._left -= 1
            sampled = self._left < 0
            if sampled:
                self._left = self._every - 1
        if not sampled and self._trusted:
            return self._engine.run(rgb)
        with self._sampling:
            if not self._fell_back and (sampled or not self._trusted):
                return self._compared(rgb)
        return self._engine.run(rgb)

    def _compared(self, rgb: Tensor) -> Tensor:
        result = self._engine.run(rgb)
        exact_engine = self._open_exact()
        kept = False
        try:
            exact = exact_engine.run(rgb)
            reached = parity(result, exact)
            if reached >= self._bound:
                self._trusted = True
                return result
            self._fall_back(exact_engine, reached)
            kept = True
            return exact
        finally:
            # what it holds for its largest picture would stay for hundreds of runs
            if not kept:
                exact_engine.close()

    def _fall_back(self, exact: Engine, reached: float) -> None:
        """From now on fp32; threads that are in the other engine finish there, and with the last it goes."""
        figure = "infinite or undefined numbers" if reached == -math.inf else f"{reached:.1f} dB"
        reason = (
            f"{self.use.precision} gave {figure} against fp32, where {self._bound:.0f} dB are wanted; "
            "from there on fp32 was used."
        )
        self.use = exact.use.model_copy(update={"fell_back": reason})
        self.steady, self.parallel = exact.steady, exact.parallel
        self._engine = exact
        self._fell_back = True

    def close(self) -> None:
        """Give memory back; see `Engine.close`."""
        with self._sampling:
            self._engine.close()
