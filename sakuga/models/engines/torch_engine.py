"""Networks run by PyTorch: on the CPU, on NVIDIA's and AMD's GPUs, and on Apple's."""

import copy
import threading
from contextlib import suppress
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from sakuga.models.base import EngineUse
from sakuga.models.engines.gpu import empty_cache, giving_work
from sakuga.models.engines.memory import device_errors, trim_host_memory
from sakuga.models.engines.replay import Replays, Run
from sakuga.models.networks.base import SuperResolver
from sakuga.models.networks.foreign import ForeignNetwork

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

GRAPHS = 8
"""Shapes whose CUDA graphs are kept: whole pictures, and the kinds of tiles at a picture's edges."""

COMES_AGAIN = 8
"""Runs of a shape at which its graph is captured, which halts the device: most regions have a new shape."""

WARM_UPS = 3
"""Runs before a graph is captured, in which libraries choose kernels and take workspaces."""

PARALLEL = {"cuda": 4}
"""Pictures under way, by the kind of device, 2 elsewhere: while a GPU computes one, others are on their way
there and back, which takes their threads at least as long."""


class TorchEngine:
    """A network on one device: the trunk in the precision asked for, the skip around it in fp32.

    Pictures are computed one after the other. Measured on the CPU, from 1 x 1 to 333 x 200 pixels: in bf16
    and fp16 a pixel's bits do not depend on the picture's shape; in fp32 they do, by 3e-6 at the most. On a
    GPU cuDNN chooses its kernels by the shape.

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
        self.parallel = PARALLEL.get(self.device.type, 2)
        self._lock = threading.Lock()
        self._run: Run | None
        with device_errors(self.use.device):
            copied = _copy(network, self.device, DTYPES[precision])
            self._run = partial(_forward, copied, DTYPES[precision])
            if self.device.type == "cuda":
                # other people's code may wait for the device, which cannot be captured
                graphs = 0 if isinstance(network, ForeignNetwork) else GRAPHS
                self._run = _Cuda(self._run, self.device, graphs)

    def run(self, rgb: Tensor) -> Tensor:
        """The network's result; see `Engine.run`."""
        with self._lock, device_errors(self.use.device), torch.no_grad():
            assert self._run is not None, "the engine is closed"
            return self._run(rgb)

    def close(self) -> None:
        """Give memory back; see `Engine.close`."""
        with self._lock:
            run, self._run = self._run, None
        # a device that has failed gives nothing back
        with suppress(RuntimeError):
            if isinstance(run, _Cuda):
                run.close()
            del run
            empty_cache(self.device)
        trim_host_memory()


def _form(device: torch.device) -> torch.memory_format:
    """Apple's kernels are made for channels in planes, all others for channels side by side."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def _forward(network: SuperResolver, dtype: torch.dtype, rgb: Tensor) -> Tensor:
    result = network.trunk(rgb.to(dtype, memory_format=_form(rgb.device)))
    return network.add_skip(result.float().contiguous(), rgb)


def _copy(network: SuperResolver, device: torch.device, dtype: torch.dtype) -> SuperResolver:
    copied = copy.deepcopy(network).requires_grad_(False).eval().to(device, dtype)
    for parameter in copied.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=_form(device))
    return copied


class _Cuda:
    """Runs a function on a stream of its own, by CUDA graphs where a shape comes again and again."""

    def __init__(self, forward: Run, device: torch.device, graphs: int) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # nothing here refers back to this object: unloaded, it goes at once, and its memory with it
        self._replays = Replays(forward, partial(_record, forward, self._stream), graphs, COMES_AGAIN)

    def __call__(self, rgb: Tensor) -> Tensor:
        """The function's result, in the order of the caller's stream."""
        with giving_work(self._device):
            caller = torch.cuda.current_stream()
            self._stream.wait_stream(caller)
            with torch.cuda.stream(self._stream):
                result = self._replays(rgb)
            caller.wait_stream(self._stream)
            # the allocator must not give these away while the other stream still uses them
            rgb.record_stream(self._stream)
            result.record_stream(caller)
            return result

    def close(self) -> None:
        """Let go of graphs, when the device has done all that it was given."""
        self._stream.synchronize()
        self._replays.clear()


def _record(forward: Run, stream: torch.cuda.Stream, rgb: Tensor) -> Run:
    """A CUDA graph of a function at one shape, captured on a stream, which is the current one."""
    source = rgb.clone()
    for _ in range(WARM_UPS):
        forward(source)
    graph = torch.cuda.CUDAGraph()
    # other threads may copy and allocate meanwhile
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        result = forward(source)

    def replay(rgb: Tensor) -> Tensor:
        source.copy_(rgb)
        graph.replay()
        return result.clone()

    return replay
