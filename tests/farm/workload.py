"""The film that test farms work on, what a quiet run makes of it, and how to compare with that."""

import hashlib
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sakuga.enhance.spec import EnhanceSpec
from tests.acceptance.jobs import make_chunks
from tests.clips import Rgb, make_clip, numbered

SIZE = (320, 240)
CHUNKS = 10
CHUNK_FRAMES = 60
"""Almost two seconds of work for one core, so that whatever is killed is killed within a chunk."""
SPEC = EnhanceSpec(
    model="acnet-hdn0", preset="ultrafast", chunk_seconds=CHUNK_FRAMES / 24, reuse="off", device="cpu"
)
"""A network that runs in processes of its own, which may be killed too."""


def draw(number: int, width: int, height: int) -> Rgb:
    """A numbered frame with grain, so that no two parts of the film are equal."""
    image = numbered(number, width, height)
    grain = np.random.default_rng(number).integers(0, 24, (height // 2, width, 1), np.uint8)
    image[height // 2 :] ^= grain
    return image


def make_film(path: Path, chunks: int = CHUNKS) -> Path:
    """A film of so many chunks, each of which begins at a keyframe."""
    options = {"g": str(CHUNK_FRAMES), "sc_threshold": "0", "preset": "ultrafast"}
    return make_clip(path, frames=chunks * CHUNK_FRAMES, size=SIZE, draw=draw, options=options)


def another_film(film: Path, path: Path) -> Path:
    """The same frames as another content: finished chunks of one film do not count for the other."""
    salt = os.urandom(16)
    path.write_bytes(film.read_bytes() + struct.pack(">I4s", 8 + len(salt), b"free") + salt)
    return path


def damage(film: Path, path: Path) -> Path:
    """The film with noise in the middle of its pictures."""
    content = bytearray(another_film(film, path).read_bytes())
    third = len(content) // 3
    content[third : third + 4000] = os.urandom(4000)
    path.write_bytes(content)
    return path


def digests(video: Path) -> list[str]:
    """Digest of every frame that a player would show, in order; their times have to be those of the film."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        times = [Fraction(frame.pts or 0) * (stream.time_base or 1) for frame in frames]
        assert times == [Fraction(number, 24) for number in range(len(frames))], "times are wrong"
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in frames]


def quiet_frames(film: Path, folder: Path) -> list[str]:
    """Digests of the frames that the engine makes when nothing disturbs it."""
    made = make_chunks(film, folder, SPEC)
    assert len(made.chunks) == CHUNKS, "the film was not cut into chunks of the length asked for"
    return [hashlib.sha256(samples).hexdigest() for samples in made.samples()]
