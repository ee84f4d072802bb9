"""Finished jobs to check: a source, its plan, and a result as the pipeline would make it, or damaged."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from sakuga.enhance.plan import Plan
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.info import MediaInfo
from sakuga.media.notes import Assembly, plan_streams
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.quality.check import Check
from sakuga.quality.checks import check_result
from sakuga.settings import Limits
from tests.clips import Draw, Rgb, make_clip

SMPTE170M = 6
LIMITED = 1


@dataclass(frozen=True)
class Job:
    source: Path
    info: MediaInfo
    packets: PacketIndex
    plan: Plan
    spec: EnhanceSpec
    assembly: Assembly

    def check(self, result: Path) -> tuple[Check, ...]:
        return check_result(
            self.source, result, self.info, self.packets, self.plan, self.spec, self.assembly, Limits()
        )

    def failures(self, result: Path) -> set[str]:
        return {check.name for check in self.check(result) if not check.passed}


def job_for(source: Path, **options: Any) -> Job:  # noqa: ANN401 - the options of a spec
    spec = EnhanceSpec(**{"model": "lanczos"} | options)
    probed = probe(source, Limits())
    info, packets = probed.info, probed.packets
    plan = make_plan(info, packets, progressive_track(info.video, packets), spec, Limits())
    assembly = Assembly.of(plan_streams(info, spec.container, spec.audio))
    return Job(source, info, packets, plan, spec, assembly)


def lively(number: int, width: int, height: int) -> Rgb:
    """Stripes and a gradient that move by a 24th of the width in every frame."""
    y, x = np.mgrid[0:height, 0:width]
    step = (x - number * width // 24) % width
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = 60 + 130 * step // width
    image[..., 1] = 80 + 90 * y // height
    image[..., 2] = np.where(step * 6 // width % 2, 150, 90)
    return image


def enlarged(draw: Draw = lively, scale: int = 2) -> Draw:
    """The same drawing as a perfect enhancement of it would look."""

    def larger(number: int, width: int, height: int) -> Rgb:
        small = draw(number, width // scale, height // scale)
        big = cv2.resize(small, (width, height), interpolation=cv2.INTER_LANCZOS4)
        return np.asarray(big, np.uint8)

    return larger


def tag(stream: av.VideoStream) -> None:
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = SMPTE170M
    context.color_range = LIMITED


def result_of(job: Job, path: Path, draw: Draw | None = None, **changes: Any) -> Path:  # noqa: ANN401
    """A result of the job with its frames as `draw` makes them; `changes` go to `make_clip`."""
    settings: dict[str, Any] = {
        "frames": len(job.plan.times),
        "size": job.plan.geometry.output,
        "rate": job.plan.frame_rate or Fraction(24),
        "draw": draw or enlarged(),
        "prepare": tag,
        "audio_seconds": float(job.info.audio[0].duration or 0) if job.info.audio else 0,
        "options": {"crf": "12", "preset": "ultrafast"},
    }
    return make_clip(path, **settings | changes)


def remux(source: Path, path: Path, *, audio_delay: Fraction = Fraction(0), drop: Iterable[str] = ()) -> Path:
    """A copy of a file, packet for packet, with sound moved or kinds of streams left out."""
    dropped = set(drop)
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        kept = [s for s in given.streams if s.type not in dropped]
        copies = {s.index: made.add_stream_from_template(s) for s in kept}
        for packet in given.demux(kept):
            if packet.dts is None:
                continue
            base = packet.time_base
            if packet.stream.type == "audio":
                shift = int(audio_delay / base)
                packet.pts, packet.dts = (packet.pts or 0) + shift, packet.dts + shift
            packet.stream = copies[packet.stream.index]
            made.mux(packet)
    return path
