"""CPU time of a job over that of its parts alone: what the pipeline adds."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import psutil

from benchmarks.clips import cartoon
from benchmarks.job import run_job
from benchmarks.machine import table, verdict
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.decode import FrameReader
from sakuga.media.encode import ChunkWriter, EncodeSettings
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.models.registry import load_upscaler
from sakuga.settings import load_settings

SECONDS = 60
MODEL = "drawn-m"
BOUND = 1.15


def measure() -> str:
    """CPU seconds of decoding, the model and encoding alone, and of the whole job, on the same frames."""
    with tempfile.TemporaryDirectory() as name:
        source = cartoon(Path(name), seconds=SECONDS, hold=1)
        parts = alone(source, Path(name))
        job = run_job(source, Path(name) / "job", "--reuse", "off", "--model", MODEL).cpu
    whole = sum(parts.values())
    ratio = job / whole
    rows = [(part, f"{seconds:.1f} s", "", "") for part, seconds in parts.items()]
    rows += [
        ("together", f"{whole:.1f} s", "", ""),
        ("whole job, from command to report", f"{job:.1f} s", "", ""),
        ("the job over its parts", f"**{ratio:.3f}**", f"{BOUND}", verdict(ratio, BOUND)),
    ]
    return table((f"CPU time, {SECONDS} s of 480p", "measured", "bound", "under it"), rows)


def alone(source: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of each part by itself, chunk by chunk as the job does them."""
    settings, spec = load_settings(), EnhanceSpec(model=MODEL)
    found = probe(source, settings.limits)
    video = found.info.video
    plan = make_plan(
        found.info, found.packets, progressive_track(video, found.packets), spec, settings.limits
    )
    upscaler = load_upscaler(spec.model_choice())
    size, layout = plan.geometry.output, plan.layout
    coding = EncodeSettings(
        codec=spec.codec, quality=spec.quality, preset=spec.preset, hardware="off", container=spec.container
    )
    used = dict.fromkeys(("decoding", "model", "encoding"), 0.0)
    with (
        FrameReader(source, video, found.packets, limits=settings.limits) as reader,
        ThreadPoolExecutor(upscaler.parallel) as threads,
    ):
        for chunk in plan.chunks:
            begun = cpu_used()
            pictures = list(reader.read(chunk.first, chunk.end))
            decoded = cpu_used()
            larger = list(
                threads.map(lambda one: upscaler.upscale(one, size, layout, video.colour), pictures)
            )
            upscaled = cpu_used()
            with ChunkWriter(
                folder / f"{chunk.index}.mp4",
                size=plan.geometry.output,
                layout=plan.layout,
                colour=video.colour,
                settings=coding,
                frame_rate=plan.frame_rate or Fraction(24),
                time_base=plan.time_base,
            ) as writer:
                for picture, at in zip(larger, plan.times[chunk.first : chunk.end], strict=True):
                    writer.write(picture, at)
            encoded = cpu_used()
            used["decoding"] += decoded - begun
            used["model"] += upscaled - decoded
            used["encoding"] += encoded - upscaled
    return used


def cpu_used() -> float:
    """CPU seconds of this process and of those that run the networks for it."""
    children = (child.cpu_times() for child in psutil.Process().children())
    return time.process_time() + sum(times.user + times.system for times in children)
