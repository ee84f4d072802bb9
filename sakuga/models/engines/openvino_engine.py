"""Networks run by OpenVINO on the CPU."""

import copy
import importlib
import queue
import threading
import warnings
import weakref
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sakuga.errors import OptionError, SakugaError
from sakuga.models.base import EngineUse
from sakuga.models.engines.memory import device_errors, empty_on_host, trim_host_memory
from sakuga.models.engines.openvino_module import load_openvino
from sakuga.models.engines.parity import parity, probe
from sakuga.models.networks.base import SuperResolver
from sakuga.models.processes import cpus

HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}
"""OpenVINO's names; without one it takes bf16 wherever the processor has it."""

REQUESTS = 2
"""Pictures under way: each is computed by all processors, and while one waits, its caller does other work. A
stream for each processor was no faster with two pictures (8.6 a second either way), half as fast with one."""

TRACED, CHECKED = (18, 16), (33, 21)
"""Width and height of the picture that a network is traced with, and of another one that it is tried with."""

FAITHFUL_DB = 90.0
"""PSNR between a converted network in fp32 and its original; sums in another order cost less than 120."""

_tracing = threading.Lock()
"""Held while a network is converted: filters of warnings belong to the whole process."""
_graphs: "weakref.WeakKeyDictionary[SuperResolver, Any]" = weakref.WeakKeyDictionary()
"""Graphs of networks that are alive; they share their weights."""


class OpenVinoEngine:
    """A network on the CPU: the trunk in the precision asked for, the skip around it by torch in fp32.

    Measured from 1 x 1 to 300 x 120 pixels: a pixel's bits do not depend on the picture's shape.

    Args:
        network: it is converted, not changed; its weights are copied.
        precision: of the trunk.

    Raises:
        MissingToolError: OpenVINO is not installed.
        OptionError: OpenVINO cannot run this network, or not rightly.
    """

    def __init__(self, network: SuperResolver, precision: Literal["fp32", "fp16", "bf16"]) -> None:
        self.device = torch.device("cpu")
        self.use = EngineUse(backend="openvino", device="cpu", precision=precision)
        self.steady = True
        self.parallel = REQUESTS
        self._scale = network.scale
        self._add_skip = network.add_skip
        self._ov = load_openvino()
        self._requests = _compile(self._ov, _graph(network), precision, REQUESTS)

    def run(self, rgb: Tensor) -> Tensor:
        """The network's result; see `Engine.run`."""
        with device_errors("cpu"), torch.no_grad():
            if rgb.shape[0] == rgb.shape[2] == rgb.shape[3] == 1:
                # one sample takes another way through OpenVINO, that in half precision is wrong by far
                return self.run(rgb.expand(2, -1, -1, -1))[:1]
            return self._add_skip(_infer(self._ov, self._requests, rgb, self._scale), rgb)

    def close(self) -> None:
        """Give memory back; see `Engine.close`."""
        while not self._requests.empty():
            self._requests.get_nowait()
        del self._add_skip
        trim_host_memory()


def _infer(ov: Any, requests: "queue.LifoQueue[Any]", rgb: Tensor, scale: int) -> Tensor:  # noqa: ANN401
    """The trunk's result, by the first request that is free."""
    pictures, _, height, width = rgb.shape
    source = rgb.contiguous()
    result = empty_on_host(pictures, 3, height * scale, width * scale)
    request = requests.get()
    try:
        request.set_input_tensor(ov.Tensor(source.numpy(), shared_memory=True))
        request.set_output_tensor(ov.Tensor(result.numpy(), shared_memory=True))
        request.infer()
    finally:
        requests.put(request)
    return result


def _compile(ov: Any, graph: Any, precision: str, requests: int) -> "queue.LifoQueue[Any]":  # noqa: ANN401
    """Requests that are free, each for one picture at a time."""
    config = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": cpus(),
        "NUM_STREAMS": 1,
        # a thread bound to one processor cannot give way to an encoder
        "ENABLE_CPU_PINNING": False,
    }
    free: queue.LifoQueue[Any] = queue.LifoQueue()
    with device_errors("cpu"):
        compiled = ov.Core().compile_model(graph, "CPU", config)
        if compiled.get_property("INFERENCE_PRECISION_HINT") != getattr(ov.Type, HINTS[precision]):
            raise OptionError(f"OpenVINO has no {precision} on this processor; choose another precision.")
        for _ in range(requests):
            free.put(compiled.create_infer_request())
    return free


class _Trunk(nn.Module):
    def __init__(self, network: SuperResolver) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb: Tensor) -> Tensor:
        return self.network.channels(rgb) if self.network.shuffles else self.network.trunk(rgb)


def _graph(network: SuperResolver) -> Any:  # noqa: ANN401 - an openvino.Model
    """The trunk as a graph for pictures of any size and number, made and checked once for each network."""
    with _tracing:
        graph = _graphs.get(network)
        if graph is None:
            graph = _convert(network)
            _check(network, graph)
            _graphs[network] = graph
    return graph


def _convert(network: SuperResolver) -> Any:  # noqa: ANN401
    frontends = importlib.import_module("openvino.frontend")
    decoders = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    # another module around the same weights
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    trunk = _Trunk(copy.deepcopy(network, shared).eval())
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # torch finds tracing old-fashioned, and points at every condition on a size; `_check` finds those
            warnings.simplefilter("ignore")
            example = probe(*TRACED, network.multiple)
            traced = torch.jit.trace(trunk, example, check_trace=False)  # type: ignore[no-untyped-call]
            decoder = decoders.TorchScriptPythonDecoder(traced)
        frontend = frontends.FrontEndManager().load_by_framework("pytorch")
        graph = frontend.convert(frontend.load(decoder))
        graph.reshape([-1, 3, -1, -1])
        if network.shuffles:
            # as one operation; what torch's is translated to takes as long as three convolutions
            shuffle = importlib.import_module("openvino.opset1").depth_to_space
            pixels = shuffle(graph.get_results()[0].input_value(0), "depth_first", network.scale)
            graph = importlib.import_module("openvino").Model([pixels], graph.get_parameters())
    except Exception as error:  # tracing runs the network's own code, and the front end has errors of its own
        raise OptionError(_refusal(f"{error}")) from error
    return graph


def _check(network: SuperResolver, graph: Any) -> None:  # noqa: ANN401
    """Refuse a graph that holds only for the size that it was traced with."""
    ov = load_openvino()
    rgb = probe(*CHECKED, network.multiple)
    try:
        with torch.no_grad():
            result = _infer(ov, _compile(ov, graph, "fp32", 1), rgb, network.scale)
            reached = parity(result, network.trunk(rgb))
    except SakugaError:
        raise
    except Exception as error:  # a graph for another size fails in many ways
        raise OptionError(_refusal(f"{error}")) from error
    if reached < FAITHFUL_DB:
        raise OptionError(_refusal(f"its result differs from torch's, {reached:.0f} dB"))


def _refusal(reason: str) -> str:
    first = (reason.strip().splitlines() or ["no reason given"])[0].rstrip(".")
    return f"OpenVINO cannot run this network ({first}); choose the back end torch."
