"""How fast networks run on the CPU by every back end, and how near they are to the reference."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.ceiling import convolution_speed, matrix_speed, work_of
from benchmarks.machine import table
from benchmarks.pictures import LAYOUT, SD, db, drawn_picture, drawn_rgb
from benchmarks.reference import ask_reference
from benchmarks.weights import Weights, weights_of
from sakuga.models.base import Backend, ModelChoice, Precision
from sakuga.models.engines.choose import open_engine
from sakuga.models.engines.parity import parity
from sakuga.models.networks.checkpoint import load_checkpoint
from sakuga.models.registry import load_upscaler, unload

Size = tuple[int, int]

SIZES: tuple[Size, ...] = ((480, 270), (640, 480), (854, 480))
CONVOLUTIONS = {"realesr-animevideov3": 16, "realesr-general-x4v3": 32}
"""The networks, with their inner convolutions, which the reference has to be told."""

WAYS: tuple[tuple[Backend, Precision], ...] = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
)
FRAMES = 4
REFERENCE_RUNS = 2
PARITY_SIZE = (192, 144)
PARITY_BOUND = 60.0
"""dB in fp32."""

MATRIX_SIDE = 2048


@dataclass(frozen=True)
class Speed:
    """Frames per second of one way, and what ran it."""

    way: str
    frames: float


def measure(sizes: tuple[Size, ...] = SIZES, frames: int = FRAMES, runs: int = REFERENCE_RUNS) -> str:
    """Frames per second, planes in and planes out, beside the reference, which has RGB in and out."""
    best = {
        "matrix product": matrix_speed("cpu", "bf16", MATRIX_SIDE),
        "convolution": convolution_speed("cpu", "bf16"),
    }
    ceiling = max(best.values())
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for network in CONVOLUTIONS:
            weights = weights_of(network, Path(name))
            work = work_of(load_checkpoint(weights.path))
            peers = reference_speed(weights, sizes, runs, Path(name))
            for size, peer in zip(sizes, peers, strict=True):
                speeds = [Speed("reference", peer), *(our_speed(weights, size, way, frames) for way in WAYS)]
                for one in speeds:
                    done = one.frames * work * size[0] * size[1]
                    rows.append(
                        (
                            *(weights.shown, f"{size[0]}x{size[1]}", one.way, f"{one.frames:.2f}"),
                            *(f"{one.frames / peer:.1f}", f"{done / 1e9:.0f}", f"{done / ceiling:.0%}"),
                        )
                    )
    heads = ("network", "size", "by", "frames a second", "times the reference", "GFLOP/s", "of the ceiling")
    said = ", ".join(f"{kind} {speed / 1e9:.0f} GFLOP/s" for kind, speed in best.items())
    return f"{table(heads, rows)}\n\nCeiling, the larger of these in bf16: {said}."


def our_speed(weights: Weights, size: Size, way: tuple[Backend, Precision], frames: int) -> Speed:
    """Speed of the upscaler as a chunk uses it, with as many pictures at a time as it likes."""
    backend, precision = way
    choice = ModelChoice(name=str(weights.path), device="cpu", precision=precision, backend=backend)
    upscaler = load_upscaler(choice, size)
    larger = (size[0] * 4, size[1] * 4)
    pictures = [drawn_picture(size, number / 24) for number in range(frames)]
    work = partial(upscaler.upscale, size=larger, layout=LAYOUT, colour=SD)
    with ThreadPoolExecutor(upscaler.parallel) as threads:
        work(pictures[0])
        begun = time.monotonic()
        list(threads.map(work, pictures))
        taken = time.monotonic() - begun
    used = f"{upscaler.use.backend} {upscaler.use.precision}"
    used += f" ({upscaler.use.fell_back})" if upscaler.use.fell_back else ""
    unload()
    return Speed(used, frames / taken)


def reference_speed(weights: Weights, sizes: tuple[Size, ...], runs: int, folder: Path) -> list[float]:
    """Frames per second of the reference at each size."""
    files = [folder / f"picture-{number}.npy" for number in range(len(sizes))]
    for file, size in zip(files, sizes, strict=True):
        np.save(file, drawn_rgb(size)[..., ::-1])
    answer = ask_reference(_task(weights, files, runs))
    return [1 / median(seconds) for seconds in answer["seconds"]]


def _task(weights: Weights, files: list[Path], runs: int) -> dict[str, object]:
    return {
        "kind": "network",
        "weights": str(weights.path),
        "convolutions": CONVOLUTIONS[weights.name],
        "pictures": [str(file) for file in files],
        "runs": runs,
    }


def measure_parity(size: Size = PARITY_SIZE) -> str:
    """PSNR between results of the same RGB picture and the same weights, before they are rounded."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for network in CONVOLUTIONS:
            weights = weights_of(network, Path(name))
            file = Path(name) / f"{network}.npy"
            rgb = drawn_rgb(size)
            np.save(file, rgb[..., ::-1])
            ask_reference(_task(weights, [file], 1))
            wanted = torch.from_numpy(np.load(file.with_suffix(".out.npy")))[None]
            given = torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]
            for backend, precision in WAYS:
                engine = open_engine(
                    load_checkpoint(weights.path),
                    digest=network,
                    size=size,
                    device="cpu",
                    precision=precision,
                    backend=backend,
                )
                near = parity(engine.run(given), wanted)
                engine.close()
                exact = precision == "fp32"
                bound, met = f"{PARITY_BOUND:g} dB", "yes" if near >= PARITY_BOUND else "NO"
                rows.append(
                    (
                        *(weights.shown, f"{backend} {precision}", f"**{db(near)}**"),
                        *(bound if exact else "", met if exact else ""),
                    )
                )
    return table(("network", "by", "PSNR against the reference", "bound", "above it"), rows)
