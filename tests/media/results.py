"""Chunks, tracks and sources that the tests of the output make."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from sakuga.media.assemble import Assembly, VideoTrack, assemble
from sakuga.media.codecs import Codec
from sakuga.media.containers import Container
from sakuga.media.encode import ChunkWriter, EncodeSettings, choose_layout
from sakuga.media.ffmpeg import ffmpeg_path, file_url, run
from sakuga.media.info import Colour, MediaInfo, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.media.probe import probe
from sakuga.settings import Limits, Settings
from tests.clips import make_clip, numbered

SIZE = (96, 64)
FILM = Fraction(24000, 1001)
HD = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=False)
EIGHT = PixelLayout(chroma="420", depth=8)
SPLIT = (10, 1, 13)


def planes_of(frame: av.VideoFrame, layout: PixelLayout) -> tuple[Plane, ...]:
    """The samples of a frame that has this layout."""
    kind = np.uint8 if layout.depth == 8 else np.uint16
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size).view(kind)
        planes.append(np.ascontiguousarray(rows[: plane.height, : plane.width]))
    return tuple(planes)


def picture(number: int, layout: PixelLayout = EIGHT, size: tuple[int, int] = SIZE) -> Picture:
    """A numbered picture in a layout."""
    frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
    return Picture(planes_of(frame.reformat(format=layout.pix_fmt), layout), layout)


def write_chunk(
    path: Path,
    times: Sequence[int],
    time_base: Fraction,
    *,
    first: int = 0,
    layout: PixelLayout = EIGHT,
    settings: EncodeSettings | None = None,
    colour: Colour = HD,
    size: tuple[int, int] = SIZE,
) -> Path:
    """A chunk of numbered pictures at these times."""
    with ChunkWriter(
        path,
        size=size,
        layout=layout,
        colour=colour,
        settings=settings or EncodeSettings(preset="ultrafast"),
        frame_rate=FILM,
        time_base=time_base,
    ) as writer:
        for number, time in enumerate(times, start=first):
            writer.write(picture(number, layout, size), time)
    return path


def make_track(
    folder: Path,
    times: Sequence[int],
    time_base: Fraction,
    end: int,
    *,
    codec: Codec = "h264",
    rate: Fraction | None = None,
    preset: str = "fast",
    split: Sequence[int] = SPLIT,
) -> VideoTrack:
    """Numbered pictures, encoded as several chunks."""
    layout = choose_layout(EIGHT, Fraction(2), codec)
    chunks, first = [], 0
    for number, count in enumerate(split):
        chunks.append(
            write_chunk(
                folder / f"chunk-{number}",
                times[first : first + count],
                time_base,
                first=first,
                layout=layout,
                settings=EncodeSettings(codec=codec, preset=preset),
            )
        )
        first += count
    return VideoTrack(
        chunks=tuple(chunks),
        chunk_frames=tuple(split),
        times=tuple(times),
        time_base=time_base,
        end=end,
        frame_rate=rate,
        size=SIZE,
        colour=HD,
    )


def film_track(folder: Path, start: int = 0, codec: Codec = "h264") -> VideoTrack:
    """A second of film at 23.976, `start` frames after the source's start."""
    count = sum(SPLIT)
    times = range(start, start + count)
    return make_track(folder, times, 1 / FILM, start + count, codec=codec, rate=FILM)


def put_together(
    source: Path,
    track: VideoTrack,
    output: Path,
    *,
    codec: Codec = "h264",
    audio: str = "keep",
    info: MediaInfo | None = None,
    settings: Settings | None = None,
) -> Assembly:
    """Assemble with everything by default; the container is the output's suffix."""
    scratch = output.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    container: Container = output.suffix[1:]  # type: ignore[assignment]
    return assemble(
        source,
        info or probe(source, Limits()).info,
        track,
        codec=codec,
        container=container,
        audio=audio,  # type: ignore[arg-type]
        metadata={"title": "A title", "settings": "scale=2"},
        output=output,
        scratch=scratch,
        settings=settings or Settings(),
    )


def ffmpeg(inputs: Sequence[Path], options: Sequence[str], output: Path) -> Path:
    """A source that PyAV alone cannot make."""
    argv = [str(ffmpeg_path(Settings())), "-nostdin", "-loglevel", "error", "-y"]
    for path in inputs:
        argv += ["-i", file_url(path)]
    run([*argv, *options, file_url(output)], timeout=60)
    return output


def beep_times(path: Path, track: int = 0) -> list[Fraction]:
    """When each beep of an audio track starts, in seconds after the first video frame."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        origin = min(p.pts * p.time_base for p in container.demux(video) if p.pts is not None)
    onsets: list[Fraction] = []
    last: Fraction | None = None
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        for frame in container.decode(stream):
            loud = np.abs(mono(frame)) > 0.2
            assert frame.pts is not None
            assert frame.time_base is not None
            for place in np.flatnonzero(loud):
                time = frame.pts * frame.time_base + Fraction(int(place), frame.sample_rate) - origin
                if last is None or time - last > Fraction(1, 10):
                    onsets.append(time)
                last = time
    return onsets


def mono(frame: av.AudioFrame) -> NDArray[np.float32]:
    """The first channel, as floats from -1 to 1."""
    samples = frame.to_ndarray()
    channel = samples[0] if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)[:, 0]
    if channel.dtype.kind == "i":
        return (channel / float(np.iinfo(channel.dtype).max)).astype(np.float32)
    return channel.astype(np.float32)


def beeping(folder: Path, seconds: float = 2) -> Path:
    """A clip of two seconds that beeps at the start of each."""
    return make_clip(folder / "beeping.mp4", frames=48, audio_seconds=seconds)


def left_beside(output: Path) -> list[str]:
    """Temporary files that a job left."""
    return [path.name for path in output.parent.iterdir() if path.suffix == ".part"] + [
        path.name for path in (output.parent / "scratch").iterdir()
    ]
