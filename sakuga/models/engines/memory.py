"""How much memory there is, how much a picture needs, and what an error says about it."""

import copy
import ctypes
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sakuga.errors import DeviceError, OutOfMemoryError
from sakuga.models.engines.base import Engine
from sakuga.models.networks.base import SuperResolver

MARGIN = 1.6
"""A layer's workspace, padded channels and the allocator's gaps, over what the tensors themselves take."""
USABLE = 0.7
"""Share of the free memory that one engine counts on: decoders, encoders and other pictures need the rest."""
PROBE_SIDE = 32
"""Side of the picture that a network's need is found with; nothing is computed on it."""
UNKNOWN_FREE = 2 << 30
"""Bytes that are taken to be free where the system does not say."""
UNKNOWN_NEED = 8192
"""Bytes for each source pixel of a network that cannot be followed: more than any known one takes."""
MOST_SAMPLES = {"cuda": 2**31 - 1, "mps": 2**30 - 1}
"""Samples that a tensor may have, by the kind of device: beyond, PyTorch's `interpolate` on CUDA leaves zeros
in channels-last tensors without a word (its #141831), and Metal ends the process at 4 GiB."""

_NO_ROOM = (
    "out of memory",
    "not enough memory",
    "can't alloc",
    "could not create a primitive",
    "cannot allocate memory",
    "bad_alloc",
    "bad allocation",
    "failed to allocate",
    "could not create a memory object",
    "alloc_failed",
    # cuDNN's last word where none of its kernels finds room for its workspace
    "unable to find an engine",
)
_BROKEN = (
    "cuda error",
    "cuda driver",
    "cudnn",
    "cublas",
    "hip error",
    "mps backend",
    "metal",
    "src/inference",
)


def free_memory(device: torch.device) -> int:
    """Bytes that a new allocation on a device may take, what its allocator has in hand counted as free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return free_host_memory()


def free_host_memory(root: Path = Path("/")) -> int:
    """Bytes that this process may still take: what its machine, its control groups and its own limit leave.

    Args:
        root: folder that holds `proc` and `sys`.
    """
    bounds = [*_machine(root), *_groups_v2(root), *_groups_v1(root), *_address_space(root)]
    return max(0, min(bounds)) if bounds else UNKNOWN_FREE


def _numbers(path: Path) -> dict[str, int]:
    """A file of lines `name: number` or `name number`; kB are made bytes."""
    found = {}
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdigit():
            found[words[0]] = int(words[1]) * (1024 if words[-1] == "kB" else 1)
    return found


def _number(path: Path) -> int | None:
    """The one number of a file; None where there is none, as in `max`."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _machine(root: Path) -> Iterator[int]:
    available = _numbers(root / "proc/meminfo").get("MemAvailable")
    if available is not None:
        yield available
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names and root == Path("/"):
        # macOS does not say how much is free, and gives back caches when asked
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _group(root: Path, controller: str) -> str | None:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and (controller or number == "0"):
            return path.strip("/")
    return None


def _folders(top: Path, group: str | None) -> Iterator[Path]:
    """A control group's folder and those above it; a container sees its own group at the top."""
    if group is None or not top.is_dir():
        return
    folder = top / group
    yield from (folder, *(parent for parent in folder.parents if parent.is_relative_to(top)))


def _groups_v2(root: Path) -> Iterator[int]:
    for folder in _folders(root / "sys/fs/cgroup", _group(root, "")):
        limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
        if limit is not None and used is not None:
            yield limit - used + _numbers(folder / "memory.stat").get("inactive_file", 0)


def _groups_v1(root: Path) -> Iterator[int]:
    for folder in _folders(root / "sys/fs/cgroup/memory", _group(root, "memory")):
        limit, used = _number(folder / "memory.limit_in_bytes"), _number(folder / "memory.usage_in_bytes")
        if limit is not None and used is not None:
            yield limit - used + _numbers(folder / "memory.stat").get("total_inactive_file", 0)


def _address_space(root: Path) -> Iterator[int]:
    used = _numbers(root / "proc/self/status").get("VmSize")
    if used is None or root != Path("/"):
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit - used


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the bytes of what operations make, as long as it is alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self.largest = 0
        self._live = 0
        self._owners: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        del types
        results = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(results):
            if isinstance(tensor, Tensor):
                self._made(tensor)
        return results

    def _made(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self.largest = max(self.largest, tensor.numel())
        self._owners[key] = self._owners.get(key, 0) + 1
        if self._owners[key] == 1:
            self._live += size
            self.peak = max(self.peak, self._live)
        weakref.finalize(tensor, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._owners[key] -= 1
        if not self._owners[key]:
            del self._owners[key]
            self._live -= size


class Need(NamedTuple):
    """What running a network takes at the most, for each source pixel.

    Attributes:
        trunk: bytes while the trunk is computed in fp32.
        ends: bytes for what is before and after it.
        samples: of the largest tensor.
    """

    trunk: float
    ends: float
    samples: float


def need_of(network: SuperResolver) -> Need:
    """What a network takes, found by following its operations without computing them; it is not changed."""
    side = -(-PROBE_SIDE // network.multiple) * network.multiple
    samples = 3.0 * network.scale**2
    try:
        shadow = copy.deepcopy(network).to("meta")
        with torch.no_grad(), _Live() as live:
            shadow.trunk(torch.zeros(1, 3, side, side, device="meta"))
        trunk, samples = live.peak / side**2, max(samples, live.largest / side**2)
    except Exception:  # what code a stranger's network runs is not known
        trunk = float(UNKNOWN_NEED)
    # the source, and at the end the trunk's result in its own precision and in fp32, and a skip
    return Need(trunk, 3 * 4 + 3 * 3 * 4 * network.scale**2, samples)


def bytes_per_pixel(network: SuperResolver, bits: int = 32) -> float:
    """What running a network takes at the most, in bytes for each source pixel.

    Args:
        network: the network; it is not changed.
        bits: width of the samples within the trunk.
    """
    need = need_of(network)
    return float(MARGIN * (need.trunk * bits / 32 + need.ends))


def pixels_that_fit(engine: Engine, network: SuperResolver) -> int:
    """The most source pixels that an engine can take at once, by an estimate from the free memory.

    Pictures that are under way at the same time share it; on a GPU the trunk is computed for one at a time.
    """
    bits = 32 if engine.use.precision == "fp32" else 16
    return pixels_within(
        free_memory(engine.device), need_of(network), engine.device.type, bits, engine.parallel
    )


def pixels_within(free: int, need: Need, kind: str, bits: int, parallel: int) -> int:
    """`pixels_that_fit` for given facts: free bytes, the kind of device, and how many pictures share it."""
    trunks = 1 if kind == "cuda" else parallel
    pixels = USABLE * free / (MARGIN * (need.trunk * bits / 32 * trunks + need.ends * parallel))
    if kind in MOST_SAMPLES:
        pixels = min(pixels, MOST_SAMPLES[kind] / need.samples)
    return max(1, int(pixels))


@contextmanager
def device_errors(name: str) -> Iterator[None]:
    """Turn what torch and OpenVINO raise into the engine's errors; mistakes in code stay as they are.

    Args:
        name: the device, for the message.

    Raises:
        OutOfMemoryError: there was no room.
        DeviceError: the device failed.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        lines = [line for line in str(error).strip().splitlines() if not line.startswith("Exception from")]
        said = (lines or [type(error).__name__])[0].rstrip(".")
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"{name} has no room for a picture this large ({said}); use fewer workers or another device."
            ) from error
        if is_device_failure(error):
            raise DeviceError(
                f"{name} failed ({said}); try again, or choose another device, such as cpu."
            ) from error
        raise


def empty_on_host(*shape: int) -> Tensor:
    """A tensor in fp32 with anything in it, in large pages where the system has them.

    numpy asks for them and torch does not: touching fresh memory of a large result takes a third of the time.
    """
    return torch.from_numpy(np.empty(shape, np.float32))


def trim_host_memory() -> None:
    """Give back what was freed: glibc keeps it in small pieces, and weights are such pieces."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, of its device or of OpenVINO says that there was no room."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError | OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _NO_ROOM)


def is_device_failure(error: BaseException) -> bool:
    """Whether an error says that a device, its driver or its libraries failed."""
    if isinstance(error, torch.AcceleratorError | DeviceError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _BROKEN)
