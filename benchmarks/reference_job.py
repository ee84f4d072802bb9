"""Whole jobs with realesr-animevideov3, beside the way that its authors' script does them."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clips import RATE, filmed, mixed
from benchmarks.job import run_job
from benchmarks.machine import table
from benchmarks.networks import CONVOLUTIONS
from benchmarks.pictures import db, luma_psnr
from benchmarks.reference import ask_reference
from benchmarks.weights import Weights, weights_of
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.ffmpeg import ffmpeg_path
from sakuga.settings import load_settings

NETWORK = "realesr-animevideov3"
SIZE = (854, 480)
FRAMES = 96
SCALE = 2
"""As the authors' own example for video has it."""

REFERENCE_FRAMES = 10
"""The reference does the same for every frame: it does the first ones, and their time is taken for all."""

DRAWN_CRF = 18
DRAWN_MODES, FILMED_MODES = ("off", "exact", "near"), ("off", "near")


@dataclass(frozen=True)
class Peer:
    """What the reference made of a clip's first frames, and its seconds for all of them."""

    result: Path
    seconds: float


def measure(
    size: tuple[int, int] = SIZE,
    frames: int = FRAMES,
    reference_frames: int = REFERENCE_FRAMES,
    drawn_modes: tuple[str, ...] = DRAWN_MODES,
    filmed_modes: tuple[str, ...] = FILMED_MODES,
) -> str:
    """Seconds from the command to the result, `SCALE` times as large, coded in the same way."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = weights_of(NETWORK, folder)
        drawn = mixed(folder / "drawn.mkv", size=size, frames=frames, crf=DRAWN_CRF)
        film, kind = filmed(folder / "film.mkv", size=size, frames=frames)
        clips = ((drawn, "drawn on twos", drawn_modes), (film, kind, filmed_modes))
        for source, what, modes in clips:
            peer = reference_job(source, weights, size, frames, reference_frames)
            rows.append((what, "reference", f"{peer.seconds:.1f} s", "1.0", ""))
            for mode in modes:
                options = (
                    "--model",
                    str(weights.path),
                    "--scale",
                    str(SCALE),
                    "--device",
                    "cpu",
                    "--reuse",
                    mode,
                )
                used = run_job(source, folder / f"{source.stem}-{mode}", *options)
                near = luma_psnr(used.result, peer.result, reference_frames)
                rows.append(
                    (
                        *(what, f"Sakuga, reuse {mode}", f"{used.wall:.1f} s"),
                        *(f"**{peer.seconds / used.wall:.1f}**", db(near)),
                    )
                )
    said = (
        f"{frames} frames of {size[0]}x{size[1]}, {weights.shown}. The reference did the first "
        f"{reference_frames} frames of each clip; its time for all is its start and so many times one's."
    )
    heads = ("clip", "by", "whole job", "times the reference", "luma PSNR between both results")
    return f"{table(heads, rows)}\n\n{said}"


def reference_job(source: Path, weights: Weights, size: tuple[int, int], frames: int, done: int) -> Peer:
    """The reference's way: decode, one frame at a time through RealESRGANer, encode."""
    spec, result = EnhanceSpec(), source.with_name(f"{source.stem}-reference.mp4")
    answer = ask_reference(
        {
            "kind": "job",
            "weights": str(weights.path),
            "convolutions": CONVOLUTIONS[weights.name],
            "source": str(source),
            "result": str(result),
            "ffmpeg": str(ffmpeg_path(load_settings())),
            "size": list(size),
            "rate": str(RATE),
            "frames": done,
            "scale": SCALE,
            "coding": ["-c:v", "libx264", "-crf", str(spec.quality), "-preset", spec.preset],
        }
    )
    return Peer(result, answer["start"] + answer["frames"] / done * frames)
