"""Small networks with random weights, and pictures for them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sakuga.models.networks.base import SuperResolver
from sakuga.models.networks.compact import SRVGGNetCompact
from sakuga.models.networks.rrdb import RRDBNet

Make = Callable[[], SuperResolver]


def seeded(make: Make, gain: float = 1.0) -> SuperResolver:
    """A network whose weights are always the same; `gain` makes its last convolution count."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = make().requires_grad_(False).eval()
        last = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
        last.weight.mul_(gain)
    return network


def compact(scale: int = 4) -> SuperResolver:
    return seeded(lambda: SRVGGNetCompact(16, 2, scale), gain=4)


def leaky() -> SuperResolver:
    return seeded(lambda: SRVGGNetCompact(16, 2, 2, "leakyrelu"), gain=4)


def dense(scale: int = 4) -> SuperResolver:
    return seeded(lambda: RRDBNet(16, 1, scale, 8), gain=4)


NETWORKS: dict[str, Make] = {
    "compact x4": compact,
    "compact x2 leaky": leaky,
    "rrdb x4": dense,
    "rrdb x2": lambda: dense(2),
}


class Overflowing(SuperResolver):
    """Right in fp32; in fp16 and bf16 its large inner values leave nothing of the picture."""

    scale = 1
    radius = 0

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Conv2d(3, 3, 1)
        self.down = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            for layer, weight, bias in ((self.up, 1.0, 70_000.0), (self.down, 1.0, -70_000.0)):
                layer.weight.copy_(weight * torch.eye(3)[..., None, None])
                layer.bias.fill_(bias)  # type: ignore[union-attr]
        self.requires_grad_(False).eval()

    def trunk(self, rgb: Tensor) -> Tensor:
        result: Tensor = self.down(self.up(rgb))
        return result


class Failing(SuperResolver):
    """A network on a device that fails."""

    scale = 1
    radius = 0

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def trunk(self, rgb: Tensor) -> Tensor:
        del rgb
        raise self.error


def picture(width: int, height: int, seed: int = 0, count: int = 1) -> Tensor:
    """Noise, fp32 of shape (count, 3, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator)
