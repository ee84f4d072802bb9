"""The hot path on a device: each stage alone, and all together, with every encoder that works here."""

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

from benchmarks.chunk_run import Work, plan_work, run_work
from benchmarks.clips import mixed
from benchmarks.machine import table
from benchmarks.weights import weights_of
from sakuga.enhance.spec import Codec, EnhanceSpec, Hardware
from sakuga.errors import SakugaError
from sakuga.media.codecs import EncodeSettings, encoder_name, encoder_works
from sakuga.media.decode import FrameReader
from sakuga.media.encode import ChunkWriter
from sakuga.media.picture import Picture
from sakuga.models.registry import load_upscaler
from sakuga.settings import load_settings

NETWORK = "realesr-animevideov3"
ENCODERS: tuple[tuple[Codec, Hardware, str], ...] = (
    ("h264", "nvenc", "p4"),
    ("hevc", "nvenc", "p4"),
    ("av1", "nvenc", "p4"),
    ("h264", "off", "ultrafast"),
    ("h264", "off", "medium"),
)
"""Codec, hardware and preset."""

SCALE = 2
"""The network makes pictures 4 times as large; the device resizes them to this, which encoders can follow."""


def end_to_end(device: str, sizes: Sequence[tuple[int, int]], frames: int) -> str:
    """Frames per second of decoding, network and encoding, each alone, and of the three at the same time."""
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = weights_of(NETWORK, folder)
        for size in sizes:
            source = mixed(folder / f"{size[0]}.mkv", size=size, frames=frames, crf=18)
            for codec, hardware, preset in ENCODERS:
                encoder = f"{encoder_name(codec, hardware)} {preset}"
                where = (f"{size[0]}x{size[1]} to {size[0] * SCALE}x{size[1] * SCALE}", encoder)
                if hardware != "off" and not encoder_works(encoder_name(codec, hardware)):
                    rows.append((*where, *("",) * 4, "not here"))
                    continue
                spec = EnhanceSpec.model_validate(
                    {
                        "model": str(weights.path),
                        "device": device,
                        "scale": SCALE,
                        "reuse": "off",
                        "codec": codec,
                        "hardware": hardware,
                        "preset": preset,
                        "chunk_seconds": 3600,
                    }
                )
                rows.append((*where, *_speeds(plan_work(source, spec), folder)))
    heads = (
        *("clip", "encoder", "decoding alone", "network alone", "encoding alone"),
        *("all together, frames a second", "of the slowest stage"),
    )
    return table(heads, rows)


def _speeds(work: Work, folder: Path) -> tuple[str, ...]:
    try:
        alone = _alone(work, folder / "alone.mp4")
        run_work(work, folder / "warm.mp4")
        _, seconds = run_work(work, folder / "all.mp4")
    except SakugaError as error:
        return ("", "", "", "", f"failed: {type(error).__name__}")
    whole = work.frames / seconds
    return (*(f"{speed:.1f}" for speed in alone), f"**{whole:.1f}**", f"**{whole / min(alone):.0%}**")


def _alone(work: Work, output: Path) -> tuple[float, float, float]:
    """Frames per second of decoding, the upscaler and encoding, one after the other."""
    settings, spec, plan, video = load_settings(), work.spec, work.plan, work.found.info.video
    begun = time.monotonic()
    with FrameReader(work.source, video, work.found.packets, limits=settings.limits) as reader:
        pictures = list(reader.read(0, work.frames))
    decoded = time.monotonic()
    upscaler = load_upscaler(spec.model_choice(), plan.geometry.upright)
    upscale = partial(
        upscaler.upscale, size=plan.geometry.output, layout=plan.layout, colour=video.colour, target=None
    )
    with ThreadPoolExecutor(upscaler.parallel) as threads:
        list(threads.map(upscale, pictures[: 2 * upscaler.parallel]))
        loaded = time.monotonic()
        larger = list(threads.map(upscale, pictures))
    upscaled = time.monotonic()
    _encode(work, larger, output)
    seconds = (decoded - begun, upscaled - loaded, time.monotonic() - upscaled)
    decoding, network, encoding = (work.frames / each for each in seconds)
    return decoding, network, encoding


def _encode(work: Work, pictures: Sequence[Picture], output: Path) -> None:
    spec, plan = work.spec, work.plan
    with ChunkWriter(
        output,
        size=plan.geometry.output,
        layout=plan.layout,
        colour=work.found.info.video.colour,
        settings=EncodeSettings(
            codec=spec.codec,
            quality=spec.quality,
            preset=spec.preset,
            hardware=spec.hardware,
            container=spec.container,
        ),
        frame_rate=plan.frame_rate or Fraction(24),
        time_base=plan.time_base,
    ) as writer:
        for picture, at in zip(pictures, plan.times, strict=True):
            writer.write(picture, at)
