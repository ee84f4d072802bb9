"""Sources for benchmarks, drawn by the demo's cartoon."""

from pathlib import Path

import av

from app.demo_clip import make_demo_clip

SIZE = (854, 480)
CARTOON_SECONDS = 6
"""After so many seconds the cartoon begins again."""


def cartoon(folder: Path, *, seconds: int, hold: int) -> Path:
    """A clip of 480p at 24 frames per second with sound, each drawing held for `hold` frames."""
    return make_demo_clip(
        folder / f"cartoon-{seconds}s-hold{hold}.mkv", size=SIZE, seconds=seconds, hold=hold
    )


def looped(folder: Path, *, seconds: int) -> Path:
    """A long clip of 480p without sound: the cartoon's packets copied again and again."""
    once = make_demo_clip(folder / "once.mkv", size=SIZE, seconds=CARTOON_SECONDS, sound=False)
    path = folder / f"looped-{seconds}s.mkv"
    with av.open(str(once), "r") as source, av.open(str(path), "w", format="matroska") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.pts is not None]
        length = round(CARTOON_SECONDS / (packets[0].time_base or 1))
        for _ in range(seconds // CARTOON_SECONDS):
            for packet in packets:
                packet.stream = copy
                target.mux(packet)
                packet.pts = (packet.pts or 0) + length
                packet.dts = (packet.dts or 0) + length
    return path
