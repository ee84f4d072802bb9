"""What reuse saves on a drawn clip on twos with a still background, and that `exact` changes no sample."""

import tempfile
from pathlib import Path

from benchmarks.chunk_run import plan_work, run_work
from benchmarks.clips import still_background
from benchmarks.machine import table
from benchmarks.pictures import db, differing_samples, luma_psnr
from benchmarks.weights import weights_of
from sakuga.enhance.spec import EnhanceSpec

NETWORK = "realesr-animevideov3"
SIZE = (480, 270)
FRAMES = 42
SOURCES = (("lossless", 0), ("compressed, crf 20", 20))
MODES = ("off", "exact", "near")
OPTIONS = {"device": "cpu", "scale": 4, "quality": 0, "preset": "ultrafast", "chunk_seconds": 3600}


def measure(size: tuple[int, int] = SIZE, frames: int = FRAMES) -> str:
    """Shares of pixels that went through the network, and time of the hot path: decode, network, encode.

    Results are 4 times as large and lossless, so that they can be compared sample by sample.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = weights_of(NETWORK, folder)
        for what, crf in SOURCES:
            source = still_background(folder / f"crf{crf}.mkv", size=size, frames=frames, crf=crf)
            whole, without = folder / f"crf{crf}-off.mp4", 0.0
            for mode in MODES:
                spec = EnhanceSpec.model_validate(
                    {
                        "model": str(weights.path),
                        "reuse": mode,
                        **OPTIONS,
                    }
                )
                output = folder / f"crf{crf}-{mode}.mp4"
                work = plan_work(source, spec)
                if mode == "off":
                    run_work(work, folder / "warm.mp4")
                result, seconds = run_work(work, output)
                without = without or seconds
                rows.append(
                    (
                        *(what, mode, f"{result.computed} / {result.partial} / {result.reused}"),
                        *(f"{result.pixels / result.all_pixels:.0%}", f"{seconds:.1f} s"),
                        *(f"**{without / seconds:.2f}**", f"{differing_samples(output, whole)}"),
                        db(luma_psnr(output, whole)),
                    )
                )
    heads = (
        *("source", "reuse", "frames whole / in parts / reused", "pixels computed", "time"),
        *("times faster", "samples that differ from off", "luma PSNR against off"),
    )
    return f"{table(heads, rows)}\n\n{frames} frames of {size[0]}x{size[1]}, {weights.shown}."
