"""The ways to run a network, and how fast each is here; torch is imported when one is opened."""

import math
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from sakuga.errors import DeviceError, MissingToolError, OptionError, SakugaError

if TYPE_CHECKING:
    from torch import Tensor

    from sakuga.models.engines.base import Engine
    from sakuga.models.networks.base import SuperResolver

Runner = Literal["torch", "openvino"]
Exact = Literal["fp32", "fp16", "bf16"]

SECONDS = 2.4
"""For all timed runs together; what opening engines takes comes on top. A network that is too slow for that
takes what a few runs of a small picture need."""

SMALL = (40, 32)
"""Width and height of the picture that is compared with fp32: at 33 MFLOP for each pixel, the largest network
needs a fifth of a second for it."""

ROUNDS = 3
"""Runs of each way after its first, of which the fastest counts: with CUDA graphs the second records. Ways
take turns, so that what else the machine does slows all of them."""

HOPELESS = 4
"""A way so many times slower than the best on the small picture is not timed on a larger one."""

AS_FAST = 0.9
"""Of the best speed: the first way that reaches it is taken; timings differ by as much from run to run."""


class Candidate(NamedTuple):
    """A way to run a network."""

    backend: Runner
    precision: Exact


def open_way(network: "SuperResolver", device: str, way: Candidate) -> "Engine":
    """The engine that runs a network in one way.

    Raises:
        MissingToolError: its back end is not installed.
        OptionError: its back end cannot run this network, or not in this precision.
        DeviceError: the device has no room for it, or failed.
    """
    if way.backend == "openvino":
        from sakuga.models.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(network, way.precision)
    from sakuga.models.engines.torch_engine import TorchEngine

    return TorchEngine(network, device, way.precision)


def fastest(
    network: "SuperResolver", device: str, ways: list[Candidate], size: tuple[int, int], *, bounded: bool
) -> tuple[Candidate, float]:
    """The fastest of several ways, and its source pixels per second.

    Args:
        network: what to run.
        device: where.
        ways: what to choose from, the first preferred to others of the same speed.
        size: width and height of the pictures; smaller ones are timed where these would take too long.
        bounded: whether ways that are not within `PARITY_DB` of fp32 are left out.

    Raises:
        SakugaError: none of them runs it; it is what the last one said.
    """
    from sakuga.models.engines.parity import probe

    race = _Race(network, device)
    try:
        for way in ways:
            race.enter(way)
        small = probe(*SMALL, network.multiple).to(device)
        race.try_small(small, bounded=bounded)
        race.leave_hopeless()
        allowed = SECONDS / (ROUNDS + 1) / max(1e-9, race.seconds_per_pixel())
        shrink = math.sqrt(allowed / (size[0] * size[1]))
        if shrink * math.sqrt(size[0] * size[1]) > math.sqrt(small.shape[2] * small.shape[3]):
            width, height = (round(side * min(1, shrink)) for side in size)
            race.run(probe(width, height, network.multiple).to(device))
        return race.winner()
    finally:
        race.close()


class _Race:
    """Engines of one network on one device that take turns; who fails is out."""

    def __init__(self, network: "SuperResolver", device: str) -> None:
        self._network, self._device = network, device
        self._engines: dict[Candidate, Engine] = {}
        self._speeds: dict[Candidate, float] = {}
        self._refusal: SakugaError = DeviceError(f"Nothing runs this network on {device}.")

    def enter(self, way: Candidate) -> None:
        """Open an engine."""
        try:
            self._engines[way] = open_way(self._network, self._device, way)
        except (OptionError, MissingToolError, DeviceError) as error:
            self._refusal = error

    def try_small(self, small: "Tensor", *, bounded: bool) -> None:
        """Run all on a small picture, and leave out who is too far from fp32."""
        from sakuga.models.engines.parity import PARITY_DB, parity

        exact = self._in_fp32(small) if bounded else None
        for way in list(self._engines):
            result = self._timed(way, small)
            if result is None:
                continue
            if exact is not None and way.precision != "fp32" and parity(result, exact) < PARITY_DB:
                self._out(way)
                continue
            if small.shape[2] * small.shape[3] / self._speeds[way] < SECONDS / 8:
                # quick enough to see that a first run is not typical
                self._speeds.pop(way)
                self._timed(way, small)

    def leave_hopeless(self) -> None:
        """Leave out who is far behind."""
        best = max(self._speeds.values(), default=0)
        for way in [way for way, speed in self._speeds.items() if speed * HOPELESS < best]:
            self._out(way)

    def seconds_per_pixel(self) -> float:
        """What one run of each takes together, for each source pixel."""
        return sum(1 / speed for speed in self._speeds.values())

    def run(self, rgb: "Tensor") -> None:
        """Time all on a picture in turns; what was measured before does not count any more."""
        for number in range(1 + ROUNDS):
            for way in list(self._engines):
                if number <= 1:
                    self._speeds.pop(way, None)
                self._timed(way, rgb)

    def winner(self) -> tuple[Candidate, float]:
        """The first that is as fast as any, and its source pixels per second."""
        if not self._speeds:
            raise self._refusal
        best = max(self._speeds.values())
        return next((way, speed) for way, speed in self._speeds.items() if speed >= AS_FAST * best)

    def close(self) -> None:
        """Close all engines."""
        for way in list(self._engines):
            self._out(way)

    def _timed(self, way: Candidate, rgb: "Tensor") -> "Tensor | None":
        """Run one and keep its best speed; None where it failed and is out."""
        try:
            result, seconds = _timed(self._engines[way], rgb)
        except DeviceError as error:
            self._refusal = error
            self._out(way)
            return None
        speed = rgb.shape[2] * rgb.shape[3] / seconds
        self._speeds[way] = max(speed, self._speeds.get(way, 0))
        return result

    def _out(self, way: Candidate) -> None:
        self._engines.pop(way).close()
        self._speeds.pop(way, None)

    def _in_fp32(self, small: "Tensor") -> "Tensor":
        engine = open_way(self._network, self._device, Candidate("torch", "fp32"))
        try:
            return engine.run(small)
        finally:
            engine.close()


def _timed(engine: "Engine", rgb: "Tensor") -> tuple["Tensor", float]:
    """A result and the seconds until it was there."""
    import torch

    begin = time.perf_counter()
    result = engine.run(rgb)
    if engine.device.type == "cuda":
        torch.cuda.synchronize(engine.device)
    elif engine.device.type == "mps":
        torch.mps.synchronize()
    return result, time.perf_counter() - begin
