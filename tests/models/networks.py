"""Small networks with random weights and a plain engine, for tests of what is done around them."""

import threading

import torch
from torch import Tensor, nn
from torch.nn import functional

from sakuga.errors import OutOfMemoryError
from sakuga.models.base import EngineUse
from sakuga.models.networks.base import SuperResolver


class Identity(SuperResolver):
    """Repeats every pixel `scale` times each way."""

    def __init__(self, scale: int = 1, multiple: int = 1, radius: int | None = 0) -> None:
        super().__init__()
        self.scale, self.multiple, self.radius = scale, multiple, radius

    def trunk(self, rgb: Tensor) -> Tensor:
        assert rgb.shape[-1] % self.multiple == 0
        assert rgb.shape[-2] % self.multiple == 0
        return functional.interpolate(rgb, scale_factor=self.scale, mode="nearest")


class Tiny(SuperResolver):
    """Two convolutions and a pixel shuffle, around which the source is added.

    Its radius is 3, and 17 where it is `wide`; where it is not `exact` it does not say so.
    """

    def __init__(self, scale: int = 2, multiple: int = 1, exact: bool = True, wide: bool = False) -> None:
        super().__init__()
        self.scale, self.multiple, self.radius = scale, multiple, (17 if wide else 3) if exact else None
        with torch.random.fork_rng():
            torch.manual_seed(1)
            apart = 8 if wide else 1
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.second = nn.Conv2d(8, 3 * scale**2, 5, padding=2 * apart, dilation=apart)
        self.requires_grad_(False)

    def trunk(self, rgb: Tensor) -> Tensor:
        return functional.pixel_shuffle(0.5 * self.second(self.first(rgb).relu()), self.scale)

    def add_skip(self, result: Tensor, rgb: Tensor) -> Tensor:
        return result.add_(functional.interpolate(rgb, scale_factor=self.scale, mode="nearest"))


class PlainEngine:
    """Runs a network in double precision, where the order of sums does not show; has room for `room` pixels.

    Attributes:
        sizes: width and height of every picture that it was given.
    """

    def __init__(self, network: SuperResolver, room: int = 1 << 40) -> None:
        self.use = EngineUse(backend="test", device="cpu", precision="fp64")
        self.device, self.steady, self.parallel = torch.device("cpu"), True, 2
        self.sizes: list[tuple[int, int]] = []
        self._network, self._room, self._lock = network.double(), room, threading.Lock()

    def run(self, rgb: Tensor) -> Tensor:
        height, width = rgb.shape[-2:]
        if height * width > self._room:
            raise OutOfMemoryError("No room; use a smaller picture.")
        with self._lock:
            self.sizes.append((width, height))
            result: Tensor = self._network(rgb.double())
            return result.float()

    def close(self) -> None:
        pass
