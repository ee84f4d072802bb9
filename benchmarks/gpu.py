"""What a GPU makes of the networks: `python -m benchmarks.gpu [--device cuda:0] [--small] [--write]`.

Without a GPU it measures the CPU, on small pictures. Weights that are not here are random: speed is the same.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from benchmarks.__main__ import PAGE, written
from benchmarks.ceiling import matrix_speed, wait_for, work_of
from benchmarks.gpu_job import end_to_end
from benchmarks.machine import here, table
from benchmarks.pictures import LAYOUT, SD, db, drawn_picture
from benchmarks.weights import NAMES, Weights, weights_of
from sakuga.errors import SakugaError
from sakuga.models.base import Precision
from sakuga.models.engines.base import Engine
from sakuga.models.engines.choose import devices_here, open_engine
from sakuga.models.engines.parity import parity, probe
from sakuga.models.networks.base import SuperResolver
from sakuga.models.networks.checkpoint import load_checkpoint
from sakuga.models.neural import NeuralUpscaler

Size = tuple[int, int]


@dataclass(frozen=True)
class Extent:
    """How much is measured: picture sizes, seconds for each, side of the matrices, frames of a whole clip."""

    sizes: tuple[Size, ...]
    seconds: float
    matrix: int
    frames: int


FULL = Extent(((854, 480), (1280, 720), (1920, 1080)), 2.0, 8192, 120)
SMALL = Extent(((48, 32), (64, 40)), 0.05, 256, 6)
PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "cuda": ("fp32", "fp16", "bf16"),
    "mps": ("fp32", "fp16"),
    "cpu": ("fp32", "bf16"),
}
GIVEN = 8
"""Pictures that the device is given before it is waited for."""


def network_table(device: str, extent: Extent, names: Sequence[str]) -> str:
    """Frames per second and operations per second of each network, size and precision."""
    precisions = PRECISIONS[device.partition(":")[0]]
    ceiling = {precision: matrix_speed(device, precision, extent.matrix) for precision in precisions}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            weights = weights_of(name, Path(folder))
            network = load_checkpoint(weights.path)
            work = work_of(network)
            for precision in precisions:
                rows += _rows(weights, network, work, device, precision, ceiling[precision], extent)
    heads = (
        *("network", "precision", "size", "network alone, frames a second", "TFLOP/s", "of the product"),
        *("planes to planes, frames a second", "PSNR against fp32"),
    )
    said = ", ".join(f"{name} {speed / 1e12:.2f} TFLOP/s" for name, speed in ceiling.items())
    return f"{table(heads, rows)}\n\nProduct of two matrices of {extent.matrix} x {extent.matrix}: {said}."


def _rows(
    weights: Weights,
    network: SuperResolver,
    work: float,
    device: str,
    precision: Precision,
    ceiling: float,
    extent: Extent,
) -> list[tuple[str, ...]]:
    engine = open_engine(
        network,
        digest=weights.name,
        size=extent.sizes[0],
        device=device,
        precision=precision,
        backend="torch",
    )
    upscaler = NeuralUpscaler(weights.name, weights.name, engine, network)
    near = _parity(network, engine)
    rows: list[tuple[str, ...]] = []
    for size in extent.sizes:
        pixels = size[0] * size[1]
        rgb = probe(*size, network.multiple).to(engine.device)
        alone = _tried(partial(_network_speed, engine, rgb, extent.seconds))
        whole = _tried(partial(_picture_speed, upscaler, size, network.scale, extent.seconds))
        done = None if alone is None else alone * work * pixels
        rows.append(
            (
                *(weights.shown, _used(engine, precision), f"{size[0]}x{size[1]}", _shown(alone)),
                *(
                    "" if done is None else f"{done / 1e12:.2f}",
                    "" if done is None else f"{done / ceiling:.0%}",
                ),
                *(_shown(whole), near),
            )
        )
    engine.close()
    return rows


def _used(engine: Engine, asked: str) -> str:
    used = engine.use.precision
    return used if used == asked else f"{asked}, fell back to {used}"


def _parity(network: SuperResolver, engine: Engine) -> str:
    """PSNR of a small picture against the same network in fp32, on the CPU."""
    rgb = probe(48, 40, network.multiple)
    with torch.no_grad():
        return db(parity(engine.run(rgb.to(engine.device)).cpu(), network(rgb)))


def _network_speed(engine: Engine, rgb: Tensor, seconds: float) -> float:
    """Whole pictures per second, tensors on the device."""
    device = str(engine.device)

    def work() -> None:
        for _ in range(GIVEN):
            engine.run(rgb)
        wait_for(device)

    return _rate(work, GIVEN, seconds)


def _picture_speed(upscaler: NeuralUpscaler, size: Size, scale: int, seconds: float) -> float:
    """Pictures per second from planes to planes in memory, as many at a time as the engine likes."""
    picture, larger = drawn_picture(size), (size[0] * scale, size[1] * scale)
    work = partial(upscaler.upscale, size=larger, layout=LAYOUT, colour=SD)
    at_once = upscaler.parallel
    with ThreadPoolExecutor(at_once) as threads:
        return _rate(lambda: list(threads.map(work, [picture] * 2 * at_once)), 2 * at_once, seconds)


def _rate(work: Callable[[], object], pictures: int, seconds: float) -> float:
    """Pictures per second of work that is done again and again, after three times that do not count."""
    for _ in range(3):
        work()
    done, begun = 0, perf_counter()
    while not done or perf_counter() - begun < seconds:
        work()
        done += pictures
    return done / (perf_counter() - begun)


def _tried(measure: Callable[[], float]) -> float | None:
    """A measurement, None where the device has no room for it or fails."""
    try:
        return measure()
    except SakugaError:
        return None


def _shown(speed: float | None) -> str:
    return "no room" if speed is None else f"{speed:.1f}"


def main() -> None:
    """Measure and print; with `--write` write into the docs."""
    first = devices_here()[0].name
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default=first, help=f"{first} without")
    parser.add_argument("--small", action="store_true", help="small pictures, as without a GPU")
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE}")
    given = parser.parse_args()
    extent = SMALL if given.small or given.device == "cpu" else FULL
    described = {device.name: device.description for device in devices_here()}
    parts = (
        network_table(given.device, extent, given.networks),
        end_to_end(given.device, extent.sizes[-2:], extent.frames),
        f"{given.device}: {described.get(given.device, '')}. PyTorch {torch.__version__}. {here()}",
    )
    text = "\n\n".join(parts)
    print(text, flush=True)
    if given.write:
        PAGE.write_text(written(PAGE.read_text(), "gpu", text))


if __name__ == "__main__":
    main()
