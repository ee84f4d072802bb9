"""Which device, back end and precision run a network: as asked for, or the fastest here."""

import platform
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sakuga.errors import MissingToolError, OptionError
from sakuga.models.base import Backend, Precision
from sakuga.models.engines import calibration
from sakuga.models.engines.calibration import Kept, Situation
from sakuga.models.engines.ways import Candidate, Exact, Runner, fastest, open_way
from sakuga.models.processes import cpus

if TYPE_CHECKING:
    from sakuga.models.engines.base import Engine
    from sakuga.models.networks.base import SuperResolver

_calibrating = threading.Lock()
"""Two calibrations at once would time each other."""


class Device(NamedTuple):
    """A device of this machine, by the name that options take."""

    name: str
    description: str


_failed: set[str] = set()
"""Devices that have failed in this process."""


def devices_here() -> list[Device]:
    """Devices that networks can run on, the one that `auto` takes first; without torch the CPU alone."""
    found = [Device("cpu", f"{_cpu_name()}, {cpus()} processors")]
    if find_spec("torch") is None:
        return found
    import torch

    if torch.backends.mps.is_available():
        found.insert(0, Device("mps", f"Apple GPU, {torch.mps.recommended_max_memory() / 2**30:.0f} GiB"))
    if torch.cuda.is_available():
        properties = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        found[:0] = [
            Device(f"cuda:{number}", f"{card.name}, {card.total_memory / 2**30:.0f} GiB")
            for number, card in enumerate(properties)
        ]
    return found


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def resolve_device(wanted: str) -> Device:
    """The device of this name; `auto` is the first that has not failed, `cuda` the first of its kind.

    Raises:
        MissingToolError: it is not here; the message says what is.
    """
    return pick_device(wanted, devices_here(), _failed)


def pick_device(wanted: str, here: Sequence[Device], failed: Collection[str]) -> Device:
    """`resolve_device` among given devices, some of which may have failed."""
    if wanted == "auto":
        return next((device for device in here if device.name not in failed), here[-1])
    name = "cuda:0" if wanted == "cuda" else wanted
    for device in here:
        if name == device.name:
            return device
    without = "" if find_spec("torch") else "; PyTorch, which other devices need, is not installed"
    names = ", ".join(device.name for device in here)
    raise MissingToolError(f"The device {wanted} was asked for, but this machine has only {names}{without}.")


def note_failure(device: str) -> None:
    """From now on `auto` is another device in this process: after a fault, drivers mostly refuse all work."""
    _failed.add(device)


def candidates(device: str, backend: Backend, precision: Precision) -> list[Candidate]:
    """Ways to run a network on a device that are what was asked for.

    Raises:
        OptionError: the device has none; the message says what it has.
        MissingToolError: the back end that was asked for is not installed.
    """
    kind = device.partition(":")[0]
    half: dict[str, tuple[Exact, ...]] = {"cuda": ("fp16", "bf16"), "mps": ("fp16",), "cpu": ("bf16", "fp16")}
    if backend == "openvino" and kind != "cpu":
        raise OptionError(
            f"OpenVINO runs on the CPU here, and {device} was chosen; choose the back end torch."
        )
    if backend == "openvino":
        from sakuga.models.engines.openvino_module import load_openvino

        load_openvino()
    with_openvino = kind == "cpu" and backend != "torch" and find_spec("openvino") is not None
    precisions: tuple[Exact, ...] = (*half[kind], "fp32")
    if precision == "auto":
        # torch computes fp16 on a CPU for completeness, not for speed
        precisions = tuple(one for one in precisions if (kind, one) != ("cpu", "fp16"))
    elif precision in precisions:
        precisions = (precision,)
    else:
        raise OptionError(f"{device} computes {', '.join(precisions)}; {precision} was asked for.")
    engines: tuple[Runner, ...] = (
        *(("openvino",) if with_openvino else ()),
        *(("torch",) if backend != "openvino" else ()),
    )
    return [Candidate(engine, one) for one in precisions for engine in engines]


def open_engine(
    network: "SuperResolver",
    *,
    digest: str,
    size: tuple[int, int],
    device: str = "auto",
    precision: Precision = "auto",
    backend: Backend = "auto",
) -> "Engine":
    """An engine that runs a network as asked for, `auto` by a calibration now or earlier.

    Half precision is watched, and falls back to fp32 where it goes wrong.

    Args:
        network: in fp32 on the CPU; it is not changed, and is kept for the watch.
        digest: what identifies it.
        size: width and height in pixels of the pictures that will be run mostly.
        device: `auto`, `cpu`, `cuda`, `cuda:0` and so on, or `mps`.
        precision: of the arithmetic; `auto` is the fastest of those within `PARITY_DB` of fp32.
        backend: what runs it; `auto` is the fastest.

    Raises:
        MissingToolError: a device or back end that was asked for is not here.
        OptionError: what was asked for does not go together.
        DeviceError: nothing runs the network on this device.
    """
    place = resolve_device(device)
    ways = candidates(place.name, backend, precision)
    if len(ways) == 1:
        return _watched(network, place.name, ways[0])
    wanted = f"{backend} {precision}"
    situation = Situation(
        digest, place.description, calibration.size_class(size), wanted, _versions(), cpus()
    )
    with _calibrating, calibration.one_at_a_time():
        kept = calibration.recall(situation)
        known = [way for way in ways if kept and way == (kept.backend, kept.precision)]
        if known:
            with suppress(OptionError, MissingToolError):
                return _watched(network, place.name, known[0])
        way, speed = fastest(network, place.name, ways, size, bounded=precision == "auto")
        calibration.remember(situation, Kept(backend=way.backend, precision=way.precision, speed=speed))
    return _watched(network, place.name, way)


def _versions() -> str:
    found = []
    for package in ("torch", "openvino"):
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _watched(network: "SuperResolver", device: str, way: Candidate) -> "Engine":
    from sakuga.models.engines.watch import WatchedEngine

    engine = open_way(network, device, way)
    if way.precision == "fp32":
        return engine
    return WatchedEngine(engine, lambda: open_way(network, device, Candidate(way.backend, "fp32")))
