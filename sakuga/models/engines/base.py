"""What every engine that runs networks offers."""

from typing import Protocol

from torch import Tensor, device

from sakuga.models.base import EngineUse


class Engine(Protocol):
    """One network, loaded on one device in one precision by one back end; several threads may use it at once.

    Attributes:
        use: what it is.
        device: where the tensors that it takes and gives are.
        steady: whether a pixel's bits do not depend on the shape of the picture that it is computed in.
        parallel: how many pictures are best under way at the same time, each in a thread of its own.
    """

    use: EngineUse
    device: device
    steady: bool
    parallel: int

    def run(self, rgb: Tensor) -> Tensor:
        """The network's result, not cut to 0 to 1.

        Args:
            rgb: R, G, B from 0 to 1 in fp32 on `device`, of shape (pictures, 3, height, width); sides are
                multiples of the network's `multiple`.

        Returns:
            fp32 on `device`, of shape (pictures, 3, height * scale, width * scale).

        Raises:
            OutOfMemoryError: the device or the machine has no room for it; a smaller picture may fit.
            DeviceError: the device failed.
        """
        ...

    def close(self) -> None:
        """Give memory back; the engine is not used any more."""
        ...
