"""The plain script that people write: decode, upscale, pipe to ffmpeg, one after another."""

import subprocess
import time
from pathlib import Path

import av
from pyanime4k import Processor

from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.ffmpeg import ffmpeg_path
from sakuga.settings import load_settings

MODEL = "acnet-hdn0"
"""Of pyanime4k: its own default, sharp lines and mild noise removal."""


def run_peer(source: Path, result: Path) -> float:
    """Seconds that it takes, with the codec, quality and preset of our defaults."""
    begun = time.monotonic()
    spec = EnhanceSpec()
    network = Processor(processor_type="cpu", device=0, model=MODEL)
    with av.open(str(source), "r") as container:
        stream = container.streams.video[0]
        size = f"{stream.width * 2}x{stream.height * 2}"
        encoder = subprocess.Popen(
            [
                *(str(ffmpeg_path(load_settings())), "-v", "error", "-y"),
                *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(stream.average_rate)),
                *("-i", "pipe:0", "-i", str(source), "-map", "0:v", "-map", "1:a?", "-c:a", "copy"),
                *("-c:v", "libx264", "-crf", str(spec.quality), "-preset", spec.preset),
                *("-pix_fmt", "yuv420p", str(result)),
            ],
            stdin=subprocess.PIPE,
        )
        assert encoder.stdin
        for frame in container.decode(stream):
            encoder.stdin.write(network(frame.to_ndarray(format="rgb24")).tobytes())
        encoder.stdin.close()
    if encoder.wait():
        raise RuntimeError("The plain script's ffmpeg failed.")
    return time.monotonic() - begun
