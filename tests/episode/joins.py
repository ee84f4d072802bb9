"""Forms, segments, timelines and sounds that the tests of the joining make."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sakuga.episode.assembly import Assembled, assemble_episode
from sakuga.episode.form import Form, segment_writer
from sakuga.episode.spec import EpisodeSpec, Scene
from sakuga.episode.subtitles import Caption, SubtitleTrack
from sakuga.episode.timeline import Timeline, lay_out
from sakuga.media.codecs import Codec, choose_layout
from sakuga.media.containers import Container
from sakuga.media.encode import EncodeSettings
from sakuga.settings import Settings
from tests.clips import decoded_lumas, read_number
from tests.media.results import EIGHT, FILM, HD, SIZE, picture, planes_of

SAMPLE_RATE = 48000
SCENES = (10, 1, 13)
"""Frames of the scenes of an episode of one second of film."""


def make_form(
    container: Container = "mp4", codec: Codec = "h264", rate: Fraction = FILM, preset: str = "fast"
) -> Form:
    """A small form."""
    return Form(
        width=SIZE[0],
        height=SIZE[1],
        rate=rate,
        layout=choose_layout(EIGHT, Fraction(1), codec),
        colour=HD,
        settings=EncodeSettings(codec=codec, preset=preset, container=container),
    )


def make_timeline(rate: Fraction = FILM, scenes: Sequence[int] = SCENES) -> Timeline:
    """Scenes of so many frames after one another, each with a title."""
    spec = EpisodeSpec(
        scenes=tuple(Scene(clip=f"{number}.mp4", title=f"Scene {number}") for number in range(len(scenes)))
    )
    return lay_out(spec, [frames / rate for frames in scenes], rate)


def write_segment(path: Path, form: Form, numbers: Sequence[int]) -> Path:
    """A segment that shows these numbers."""
    with segment_writer(path, form) as writer:
        for time, number in enumerate(numbers):
            writer.write(picture(number, form.layout, form.size), time)
    return path


def write_segments(folder: Path, form: Form, timeline: Timeline) -> list[Path]:
    """Segments in which every frame shows its number in the episode."""
    return [
        write_segment(folder / f"segment-{number}", form, range(segment.first, segment.last))
        for number, segment in enumerate(timeline.segments)
    ]


def make_sound(folder: Path, seconds: Fraction, container: Container = "mp4") -> Path:
    """Sound of exactly this length that beeps at the start of every half second: AAC, and FLAC for MKV."""
    codec = "flac" if container == "mkv" else "aac"
    path = folder / f"sound.{codec}"
    total = round(seconds * SAMPLE_RATE)
    time = np.arange(total) / SAMPLE_RATE
    wave = np.where(time % 0.5 < 0.1, 0.5 * np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)
    planar = codec == "aac"
    with av.open(str(path), "w", format="mp4" if planar else "matroska") as file:
        stream = file.add_stream(codec, rate=SAMPLE_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.time_base = Fraction(1, SAMPLE_RATE)
        for start in range(0, total, 1024):
            block = wave[start : start + 1024]
            if planar:
                frame = av.AudioFrame.from_ndarray(np.stack([block] * 2), format="fltp", layout="stereo")
            else:
                whole = np.repeat((block * 32767).astype(np.int16), 2)[None]
                frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = SAMPLE_RATE, start
            frame.time_base = Fraction(1, SAMPLE_RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def join(
    folder: Path,
    segments: Sequence[Path],
    timeline: Timeline,
    form: Form,
    *,
    sound: Path | None = None,
    subtitles: Sequence[SubtitleTrack] = (),
    cover: Path | None = None,
    output: Path | None = None,
) -> Assembled:
    """Assemble an episode in a folder."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return assemble_episode(
        segments,
        timeline,
        form,
        sound=sound,
        subtitles=subtitles,
        cover=cover,
        metadata={"title": "An episode"},
        output=output or folder / f"episode.{form.settings.container}",
        scratch=scratch,
        settings=Settings(),
    )


def shown_numbers(path: Path) -> list[int]:
    """The numbers that all frames of a file show."""
    return [read_number(luma) for luma in decoded_lumas(path)]


def first_shown_after(path: Path, time: Fraction) -> int:
    """The number of the first frame whose time is not before this, which is where a player goes."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            base = frame.time_base or stream.time_base
            if frame.pts is not None and base is not None and frame.pts * base >= time:
                return read_number(planes_of(frame, EIGHT)[0])
    raise AssertionError(f"no frame at {time}")


def caption(start: str | int | Fraction, end: str | int | Fraction, text: str = "text") -> Caption:
    """A caption; times may be written as `7/2`."""
    return Caption(start=Fraction(start), end=Fraction(end), text=text)
