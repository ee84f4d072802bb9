"""Networks run by PyTorch: on the CPU, on NVIDIA's and AMD's GPUs, and on Apple's."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from sakuga.models.base import EngineUse
from sakuga.models.engines.memory import device_errors, trim_host_memory
from sakuga.models.engines.replay import Replays, Run
from sakuga.models.networks.base import SuperResolver

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

GRAPHS = 8
"""Shapes whose CUDA graphs are kept: whole pictures, and the kinds of tiles at a picture's edges."""

WARM_UPS = 3
"""Runs before a graph is captured, in which libraries choose kernels and take workspaces."""

TUNED = 32
"""Shapes that cuDNN tries its kernels for, which takes longer than a picture; later shapes take its guess."""

_giving_work = threading.Lock()
"""Held while work is given to a GPU, which does it later: cuDNN's settings belong to the whole process, and
only one graph may be captured at a time."""


class TorchEngine:
    """A network on one device: the trunk in the precision asked for, the skip around it in fp32.

    On the CPU, pictures are computed one after the other, each by all processors. Measured there, from 1 x 1
    to 333 x 200 pixels: in bf16 and fp16 a pixel's bits do not depend on the picture's shape; in fp32 they
    do, by 3e-6 at the most. On a GPU cuDNN chooses its kernels by the shape.

    Args:
        network: it is copied, not changed.
        device: `cpu`, `cuda:0` and so on, or `mps`.
        precision: of the trunk.
    """

    def __init__(
        self, network: SuperResolver, device: torch.device | str, precision: Literal["fp32", "fp16", "bf16"]
    ) -> None:
        self.device = torch.device(device)
        self.use = EngineUse(backend="torch", device=str(self.device), precision=precision)
        self.steady = self.device.type == "cpu" and precision != "fp32"
        self.parallel = 2
        self._dtype = DTYPES[precision]
        with device_errors(self.use.device):
            self._network: SuperResolver | None = _copy(network, self.device, self._dtype)
        self._cuda = _Cuda(self._forward, self.device) if self.device.type == "cuda" else None
        self._lock = _giving_work if self._cuda else threading.Lock()

    def run(self, rgb: Tensor) -> Tensor:
        """The network's result; see `Engine.run`."""
        with self._lock, device_errors(self.use.device), torch.no_grad():
            return self._cuda(rgb) if self._cuda else self._forward(rgb)

    def close(self) -> None:
        """Give memory back; see `Engine.close`."""
        with self._lock:
            self._network = None
            if self._cuda:
                self._cuda.close()
        if self.device.type == "mps":
            torch.mps.empty_cache()
        trim_host_memory()

    def _forward(self, rgb: Tensor) -> Tensor:
        network = self._network
        assert network is not None, "the engine is closed"
        result = network.trunk(rgb.to(self._dtype, memory_format=torch.channels_last))
        skip = network.skip(rgb)
        # a half and an fp32 tensor add up in fp32
        return (result if skip is None else result + skip).float().contiguous()


def _copy(network: SuperResolver, device: torch.device, dtype: torch.dtype) -> SuperResolver:
    copied = copy.deepcopy(network).requires_grad_(False).eval().to(device, dtype)
    for parameter in copied.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return copied


class _Cuda:
    """Runs a function on a stream of its own, by CUDA graphs where a shape comes again."""

    def __init__(self, forward: Run, device: torch.device) -> None:
        self._device = device
        self._forward = forward
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._tuned: set[torch.Size] = set()
        self._replays = Replays(forward, self._record, GRAPHS)

    def __call__(self, rgb: Tensor) -> Tensor:
        """The function's result, in the order of the caller's stream."""
        tune = rgb.shape in self._tuned or len(self._tuned) < TUNED
        if tune:
            self._tuned.add(rgb.shape)
        with torch.cuda.device(self._device), _cudnn(tune):
            caller = torch.cuda.current_stream()
            self._stream.wait_stream(caller)
            with torch.cuda.stream(self._stream):
                result = self._replays(rgb)
            caller.wait_stream(self._stream)
            # the allocator must not give these away while the other stream still uses them
            rgb.record_stream(self._stream)
            result.record_stream(caller)
            return result

    def _record(self, rgb: Tensor) -> Run:
        """A CUDA graph of the function at one shape, captured on the engine's stream."""
        source = rgb.clone()
        for _ in range(WARM_UPS):
            self._forward(source)
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # other threads may copy and allocate meanwhile
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            result = self._forward(source)

        def replay(rgb: Tensor) -> Tensor:
            source.copy_(rgb)
            graph.replay()
            return result.clone()

        return replay

    def close(self) -> None:
        """Let go of graphs and cached memory."""
        self._stream.synchronize()
        self._replays.clear()
        with torch.cuda.device(self._device):
            torch.cuda.empty_cache()


@contextmanager
def _cudnn(tune: bool) -> Iterator[None]:
    """Kernels chosen by trial or by guess, and fp32 that is fp32: TF32 has 10 bits."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=tune, allow_tf32=False):
        yield
