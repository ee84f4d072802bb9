"""Sound through libavfilter, block by block."""

import errno
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain as joined
from math import ceil, log2

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from sakuga.episode.channels import CHANNELS
from sakuga.episode.spec import Layout
from sakuga.episode.wav import RATE, Samples


def sound_frame(block: Samples, layout: Layout, first: int) -> AudioFrame:
    """Samples as libav has them; `first` is the number of the first one."""
    packed = np.ascontiguousarray(block, np.float32).reshape(1, -1)
    frame = AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
    return frame


class Chain:
    """A chain of filters that sound is pushed through."""

    def __init__(self, layout: Layout, filters: Sequence[tuple[str, str]]) -> None:
        self._layout, self._pushed = layout, 0
        self._graph = Graph()
        source = self._graph.add(
            "abuffer",
            sample_rate=str(RATE),
            sample_fmt="flt",
            channel_layout=layout,
            time_base=f"1/{RATE}",
        )
        nodes = [self._graph.add(name, options) for name, options in filters]
        nodes.append(self._graph.add("aformat", f"sample_fmts=flt:channel_layouts={layout}"))
        self._graph.link_nodes(source, *nodes, self._graph.add("abuffersink")).configure()

    def push(self, block: Samples | None) -> Iterator[AudioFrame]:
        """Put samples in, or with None the end of them, and take out what has come through."""
        if block is None:
            self._graph.push(None)
        elif len(block):
            self._graph.push(sound_frame(block, self._layout, self._pushed))
            self._pushed += len(block)
        while True:
            try:
                frame = self._graph.pull()
            except EOFError:
                return
            except av.FFmpegError as error:
                if error.errno != errno.EAGAIN:
                    raise
                return
            assert isinstance(frame, AudioFrame)
            yield frame


LEAD = 8192
"""Samples before its beginning that `at_speed` needs, and half of them after its end."""

_HALF_WINDOW = 1024


def at_speed(blocks: Iterable[Samples], speed: Fraction, layout: Layout) -> Iterator[Samples]:
    """Sound that is `speed` times as fast and keeps its pitch.

    ffmpeg's atempo joins overlapping pieces of it. One of them does at most a factor of 2 well, so that there
    are as many as it takes. Slowed down, sound comes early by half of its window, which it fills with
    what comes later; that is made up for.

    Args:
        blocks: the sound, from `LEAD` samples before its beginning on.
        speed: at most 10 and at least a tenth.
        layout: of the sound.
    """
    count = max(1, ceil(abs(log2(speed))))
    chain = Chain(layout, [("atempo", f"{float(speed) ** (1 / count):.15g}")] * count)
    early = _HALF_WINDOW * (1 / speed - 1) if speed < 1 else Fraction(0)
    skipped = int(LEAD / speed - early)
    for block in through(blocks, chain, layout):
        if len(block) > skipped:
            yield block[skipped:]
        skipped -= min(skipped, len(block))


def through(blocks: Iterable[Samples], chain: Chain, layout: Layout) -> Iterator[Samples]:
    """What comes out of a chain."""
    for block in joined(blocks, (None,)):
        for frame in chain.push(block):
            yield frame.to_ndarray().astype(np.float32, copy=False).reshape(-1, len(CHANNELS[layout]))
