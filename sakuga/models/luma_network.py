"""A row of convolutions on luma, run by OpenVINO without PyTorch."""

import importlib
import queue
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.errors import WeightsError
from sakuga.media.kernels import Floats
from sakuga.models.engines.openvino_module import load_openvino
from sakuga.models.processes import cpus

SCALE = 2

REQUESTS = 2
"""Pictures under way: while one is computed by all processors, the other's planes are converted."""

STRIP = 1 << 19
"""Samples of a source that are computed at once: its layers' results need some hundred MB then."""

NARROW, NARROW_STRIP = 16, 1 << 17
"""Features of a network that waits for memory more than it computes, and its strip: its layers' results then
stay in the processor's cache (854x480 on two cores: 15 ms in strips of 160 rows, 18 to 22 ms whole)."""


class LumaNetwork:
    """The network of a file of weights; several threads may use it at once.

    Args:
        tensors: `convolutions.N.weight` and `.bias` for N from 0 on.
        precision: `bf16` or `fp32`, of the convolutions; the interpolation that they add to is fp32.
        strip: samples of a source that are computed at once; results do not depend on it. None is what suits.

    Raises:
        MissingToolError: OpenVINO is not installed.
        WeightsError: the tensors are no such network's.
    """

    def __init__(
        self, tensors: Mapping[str, NDArray[np.float32]], precision: str, strip: int | None = None
    ) -> None:
        self.precision = precision
        self._strip = strip or (NARROW_STRIP if _features(tensors) <= NARROW else STRIP)
        self.radius = len(tensors) // 2
        self._ov = load_openvino()
        config = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": cpus(),
            "NUM_STREAMS": 1,
            # a thread bound to one processor cannot give way to an encoder
            "ENABLE_CPU_PINNING": False,
        }
        compiled = self._ov.Core().compile_model(_graph(self._ov, tensors), "CPU", config)
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(REQUESTS):
            self._free.put(compiled.create_infer_request())

    def enlarge(self, luma: Floats) -> Floats:
        """Luma of twice the size, not cut to 0 to 1; beyond the edges the edge samples repeat.

        Args:
            luma: 0 is black and 1 white, of shape (height, width).
        """
        height, width = luma.shape
        border = cv2.copyMakeBorder(luma, *(self.radius,) * 4, cv2.BORDER_REPLICATE)
        around: Floats = border.astype(np.float32, copy=False)
        size, edge = (width * SCALE, height * SCALE), self.radius
        smooth = cv2.resize(luma, size, interpolation=cv2.INTER_LINEAR)
        enlarged: Floats = smooth.astype(np.float32, copy=False)
        blocks = enlarged.reshape(height, SCALE, SCALE * width)
        rows = max(1, self._strip // width)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            details = self._details(around[top : bottom + 2 * edge])[:, edge:-edge, edge:-edge]
            for row in range(SCALE):
                # OpenVINO's DepthToSpace would take as long as a convolution
                side_by_side = cv2.merge(list(details[SCALE * row : SCALE * (row + 1)]))
                blocks[top:bottom, row] += side_by_side.reshape(bottom - top, SCALE * width)
        return enlarged

    def _details(self, luma: Floats) -> Floats:
        """What the network adds to the four samples made of each of the source's: one plane for each of them.

        Along the edges, as far as it sees, it knows of zeros beyond them.
        """
        source = np.ascontiguousarray(luma)[None, None]
        details: Floats = np.empty((SCALE * SCALE, *luma.shape), np.float32)
        request = self._free.get()
        try:
            request.set_input_tensor(self._ov.Tensor(source, shared_memory=True))
            request.set_output_tensor(self._ov.Tensor(details[None], shared_memory=True))
            request.infer()
        finally:
            self._free.put(request)
        return details


def _features(tensors: Mapping[str, NDArray[np.float32]]) -> int:
    """Channels of the widest layer; 0 of what is no network."""
    return max((kernel.shape[0] for kernel in tensors.values() if kernel.ndim == 4), default=0)


def has_bf16() -> bool:
    """Whether OpenVINO computes in bf16 on this processor."""
    ov = load_openvino()
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _graph(ov: Any, tensors: Mapping[str, NDArray[np.float32]]) -> Any:  # noqa: ANN401 - OpenVINO's own
    ops = importlib.import_module("openvino.opset13")
    source = ops.parameter([1, 1, -1, -1], np.float32)
    node, last = source, len(tensors) // 2 - 1
    try:
        for number in range(last + 1):
            kernel, bias = (tensors[f"convolutions.{number}.{kind}"] for kind in ("weight", "bias"))
            node = ops.convolution(node, ops.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])
            node = ops.add(node, ops.constant(bias.reshape(1, -1, 1, 1)))
            node = ops.relu(node) if number < last else node
        if kernel.shape[0] != SCALE * SCALE:
            raise ValueError(f"the last one has {kernel.shape[0]} channels, not {SCALE * SCALE}")
    except (KeyError, RuntimeError, ValueError) as error:
        raise WeightsError(f"The weights are not those of a row of convolutions: {error}.") from error
    return ov.Model([node], [source])
