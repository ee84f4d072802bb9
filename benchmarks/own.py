"""Our own networks beside everything else that is here: how near to the truth, how quick, how steady."""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from benchmarks.clips import still_background
from benchmarks.machine import table
from benchmarks.pictures import LAYOUT, SD, decoded, drawn_picture, psnr
from benchmarks.weights import weights_of
from sakuga.media.ffmpeg import ffmpeg_path
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture, Plane
from sakuga.models.anime4k import CARDS
from sakuga.models.base import ModelChoice, Upscaler
from sakuga.models.own import own_cards
from sakuga.models.registry import load_upscaler, unload
from sakuga.settings import load_settings
from tests.assets import ASSETS
from training.coding import Planes
from training.degrade import SCALE, Degradation
from training.evaluate import CONDITIONS, worn
from training.measures import BORDER, Measures, mean_of, measures
from training.peers import COLOUR
from training.sources import find_sources
from training.still import BT709, Still, from_picture

LARGE = ("realesr-animevideov3", "realesr-general-x4v3")
"""Networks with a download that are measured too, where their weights are at hand."""

ANIME4K = tuple(card.name for card in CARDS)
LEARNED = ("area", "cubic", "JPEG 85", "H.264 CRF 20")
"""What is done to pictures that a teacher and those who learned from it are compared on."""

SIZES = ((854, 480), (1280, 720))
RUNS = 5
CLIP_FRAMES = 24
CLIP_CRF, GROUP = 26, 6
"""Keyframes come often, as each of them makes what stands still jump."""
EVERY = 6
"""Of the frames of clips that are kept out, one in so many is measured: they show much the same."""

STILL = 12
"""Samples of the truth around a place that must not change for the place to count as still."""


def folder_of(domain: str) -> Path:
    """Pictures to measure on: what `SAKUGA_BENCH_DRAWN` or `SAKUGA_BENCH_FILMED` names, else the tests' own.

    Those that a network was trained on are no part of it, by the digests of the files.
    """
    given = os.environ.get(f"SAKUGA_BENCH_{domain.upper()}")
    return Path(given) if given else ASSETS / "images" / {"drawn": "anime", "filmed": "photo"}[domain]


def pictures_of(domain: str) -> list[Still]:
    """The pictures that are kept out of training; of clips some of their frames."""
    found = find_sources(folder_of(domain), load_settings().limits).held_out
    frames = [source.still for source in found if " frame " in source.name][::EVERY]
    return [source.still for source in found if " frame " not in source.name] + frames


def models(domain: str, folder: Path) -> dict[str, Upscaler]:
    """Everything that is measured, by the name in the tables."""
    names = ["lanczos", *ANIME4K, *(card.name for card in own_cards() if card.domain == domain)]
    found = {name: load_upscaler(ModelChoice(name=name)) for name in names}
    for name in LARGE:
        weights = weights_of(name, folder)
        if weights.real:
            found[name] = load_upscaler(ModelChoice(name=str(weights.path), device="cpu"))
    return found


def enlarged(upscaler: Upscaler, planes: Planes) -> Still:
    """A source made twice as large."""
    height, width = planes[0].shape
    twice = SCALE * width, SCALE * height
    return from_picture(upscaler.upscale(Picture(planes, LAYOUT), twice, LAYOUT, COLOUR), COLOUR)


def measure_drawn() -> str:
    """How near to the truth networks for drawn video are."""
    return _nearness("drawn")


def measure_filmed() -> str:
    """How near to the truth networks for filmed video are."""
    return _nearness("filmed")


def _nearness(domain: str) -> str:
    pictures = pictures_of(domain)
    with tempfile.TemporaryDirectory() as name:
        found = models(domain, Path(name))
        own = [name for name in found if name.startswith(f"{domain}-")]
        shown = ["lanczos", *(name for name in LARGE if name in found), *own]
        rows = []
        for condition, how in CONDITIONS.items():
            scores = {name: score(upscaler, pictures, how) for name, upscaler in found.items()}
            best = max(ANIME4K, key=lambda name: scores[name].psnr)
            gains = " / ".join(f"{scores[name].psnr - scores[best].psnr:+.2f}" for name in own)
            others = [scores[name].cell for name in shown]
            rows.append((condition, others[0], f"{scores[best].cell} ({best})", *others[1:], gains))
        unload()
    heads = ("", shown[0], "best of pyanime4k", *shown[1:], f"above it: {', '.join(own)}")
    kept = f"{len(pictures)} pictures that no network was trained on"
    return f"PSNR in dB of luma, the same of R, G and B, and SSIM of luma; {kept}.\n\n{table(heads, rows)}"


@dataclass(frozen=True)
class Score:
    """Means over pictures: PSNR of luma and of R, G and B in dB, and SSIM of luma."""

    psnr: float
    rgb: float
    ssim: float

    @property
    def cell(self) -> str:
        """For a table."""
        return f"{self.psnr:.2f} / {self.rgb:.2f} / {self.ssim:.4f}"


def score(upscaler: Upscaler, pictures: Sequence[Still], how: Degradation) -> Score:
    """How near to the truth a model brings pictures that are worn in one way."""
    found, colours = [], []
    for number, picture in enumerate(pictures):
        planes, truth = worn(picture, how, number)
        result = enlarged(upscaler, planes)
        found.append(measures(result.luma, truth.luma))
        error = float(np.square(_rgb(result) - _rgb(truth))[BORDER:-BORDER, BORDER:-BORDER].mean())
        colours.append(psnr(error, 1.0))
    mean = mean_of(found)
    return Score(mean.psnr, sum(colours) / len(colours), mean.ssim)


def _rgb(still: Still) -> Floats:
    """R, G and B from 0 to 1, of shape (height, width, 3)."""
    chroma = [cv2.resize(plane, still.size, interpolation=cv2.INTER_LINEAR) for plane in still.chroma]
    planes = np.stack([still.luma, *chroma], axis=-1).astype(np.float32)
    return np.asarray(cv2.transform(planes, np.linalg.inv(BT709).astype(np.float32)), np.float32)


def measure_sharp() -> str:
    """How near to their teacher's results models come that are quicker."""
    pictures, rows = pictures_of("drawn"), []
    with tempfile.TemporaryDirectory() as name:
        found = models("drawn", Path(name))
        teacher = found.pop(LARGE[0], None)
        if teacher is None:
            return f"The weights of {LARGE[0]} are not here."
        for condition in LEARNED:
            near: dict[str, list[Measures]] = {model: [] for model in found}
            for number, picture in enumerate(pictures):
                planes, _ = worn(picture, CONDITIONS[condition], number)
                wanted = enlarged(teacher, planes).luma
                for model, upscaler in found.items():
                    near[model].append(measures(enlarged(upscaler, planes).luma, wanted))
            means = {model: mean_of(values) for model, values in near.items()}
            cells = [f"{mean.psnr:.2f} / {mean.sharpness:.2f}" for mean in means.values()]
            rows.append((condition, *cells))
        unload()
    return (
        f"PSNR in dB of luma against the result of {LARGE[0]}, and steepness of lines as a share of its.\n\n"
        f"{table(('', *found), rows)}"
    )


def measure_speed() -> str:
    """Milliseconds for one picture, planes in and planes of twice the size out."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        found = {**models("drawn", Path(name)), **models("filmed", Path(name))}
        times = {name: [milliseconds(upscaler, size) for size in SIZES] for name, upscaler in found.items()}
        unload()
    quickest = min(times[name][0] for name in ANIME4K)
    for name, (sd, hd) in times.items():
        rows.append((name, f"{sd:.0f}", f"{hd:.0f}", f"{sd / quickest:.2f}"))
    sizes = [f"{width}x{height}, ms" for width, height in SIZES]
    return table(("model", *sizes, "over the quickest of pyanime4k"), rows)


def milliseconds(upscaler: Upscaler, size: tuple[int, int]) -> float:
    """Of one picture, where as many are made at a time as the model likes; the median of some rounds."""
    pictures = [drawn_picture(size, number / 24) for number in range(2 * upscaler.parallel)]
    twice = SCALE * size[0], SCALE * size[1]
    work = partial(upscaler.upscale, size=twice, layout=LAYOUT, colour=SD)
    found = []
    with ThreadPoolExecutor(upscaler.parallel) as threads:
        for _ in range(RUNS + 1):
            begun = time.perf_counter()
            list(threads.map(work, pictures))
            found.append((time.perf_counter() - begun) / len(pictures))
    return 1000 * median(found[1:])


def measure_flicker() -> str:
    """How much places flicker that stand still, in a drawn clip that was made smaller and coded."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sharp = still_background(folder / "sharp.mkv", size=(1280, 720), frames=CLIP_FRAMES, crf=0)
        truth = [planes[0] for planes in decoded(sharp)]
        coded = write_smaller(sharp, folder / "coded.mkv")
        sources = [tuple(np.ascontiguousarray(plane) for plane in planes) for planes in decoded(coded)]
        itself = flicker([planes[0] for planes in sources], halved(truth))
        rows.append(("the source itself", f"{itself:.3f}", ""))
        for model, upscaler in models("drawn", folder).items():
            results = [_luma(upscaler, planes) for planes in sources]
            rows.append((model, f"{flicker(results, truth):.3f}", f"{nearness(results, truth):.2f}"))
        unload()
    return table(("model", "change of still places, in codes", "PSNR of luma, dB"), rows)


def write_smaller(clip: Path, path: Path) -> Path:
    """The clip at half the size, coded as sources are."""
    width, height = SIZES[1]
    half = f"scale={width // SCALE}:{height // SCALE}:flags=area"
    options = ["-vf", half, "-c:v", "libx264", "-crf", str(CLIP_CRF), "-g", str(GROUP), "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg_path(load_settings()), "-v", "error", "-i", clip, *options, path], check=True)
    return path


def halved(planes: Sequence[Plane]) -> list[Plane]:
    """Planes at half the size."""
    sizes = [(plane.shape[1] // SCALE, plane.shape[0] // SCALE) for plane in planes]
    return [
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
        for plane, size in zip(planes, sizes, strict=True)
    ]


def _luma(upscaler: Upscaler, planes: tuple[Plane, ...]) -> Plane:
    height, width = planes[0].shape
    twice = SCALE * width, SCALE * height
    return upscaler.upscale(Picture(planes, LAYOUT), twice, LAYOUT, COLOUR).planes[0]


def flicker(results: Sequence[Plane], truth: Sequence[Plane]) -> float:
    """Mean change, from a frame to the next, of places in whose surroundings the truth stands still."""
    around = np.ones((2 * STILL + 1, 2 * STILL + 1), np.uint8)
    changes = []
    for (before, after), (was, now) in zip(pairwise(truth), pairwise(results), strict=True):
        still = cv2.dilate((before != after).astype(np.uint8), around) == 0
        changes.append(float(np.abs(was.astype(np.float32) - now)[still].mean()))
    return sum(changes) / len(changes)


def nearness(results: Sequence[Plane], truth: Sequence[Plane]) -> float:
    """PSNR of luma in dB over all frames."""
    errors = [float(np.square(a.astype(np.float32) - b).mean()) for a, b in zip(results, truth, strict=True)]
    return psnr(sum(errors) / len(errors), 219.0)
