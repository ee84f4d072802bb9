"""Sounds that the tests make, and how they are measured."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from sakuga.episode.footage import Footage
from sakuga.episode.form import HD_COLOUR, Form
from sakuga.episode.sound import SceneSound
from sakuga.episode.spec import EpisodeSpec, Scene
from sakuga.episode.timeline import Timeline, lay_out, scene_frames
from sakuga.episode.wav import RATE, Samples, WavWriter, open_wav
from sakuga.media.codecs import EncodeSettings
from sakuga.media.ffmpeg import ffmpeg_path, file_url
from sakuga.media.info import PixelLayout
from sakuga.media.probe import probe
from sakuga.settings import Settings
from tests.clips import numbered

SETTINGS = Settings()
FPS = Fraction(24)
TINY = (64, 48)


def burst(seconds: float, at: float, rate: int = RATE) -> Samples:
    """One channel, silent but for 60 ms of rising tone that begin at a time: like itself nowhere else."""
    time = np.arange(round(seconds * rate)) / rate - at
    window = np.where((time >= 0) & (time < 0.06), np.sin(np.pi * time / 0.06) ** 2, 0)
    return (0.5 * window * np.sin(2 * np.pi * (300 * time + 15_000 * time**2))).astype(np.float32)[:, None]


def tone(seconds: float, frequency: float = 440, level: float = 0.1, rate: int = RATE) -> Samples:
    """One channel of a sine."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)[:, None]


def noise(seconds: float, level: float = 0.1, seed: int = 1, channels: int = 1) -> Samples:
    """White noise, another one in each channel."""
    wave = np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels))
    return (level * wave).astype(np.float32)


def voice(seconds: float, spans: Sequence[tuple[float, float]], level: float = 0.2) -> Samples:
    """One channel with what a meter takes for a voice: a buzz of 150 Hz in syllables of a quarter second."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(2, 20))
    syllables = np.sin(np.pi * (time % 0.25) / 0.25) ** 2
    said = np.zeros_like(time)
    for first, last in spans:
        said[(time >= first) & (time < last)] = 1
    return np.asarray(level * said * syllables * buzz, np.float32)[:, None]


def repeated(wave: Samples, channels: int) -> Samples:
    """The same in so many channels."""
    return np.repeat(wave, channels, axis=1)


def _frames(wave: Samples, layout: str, rate: int, first: int) -> list[av.AudioFrame]:
    frames = []
    for start in range(0, len(wave), 1000):
        planes = np.ascontiguousarray(wave[start : start + 1000].T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), first + start
        frames.append(frame)
    return frames


def write_sound(
    path: Path, wave: Samples, *, rate: int = RATE, codec: str = "pcm_f32le", layout: str | None = None
) -> Path:
    """A file that has nothing but sound."""
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[wave.shape[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        for frame in _frames(wave, layout, rate, 0):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_clip(
    path: Path,
    wave: Samples | None,
    *,
    frames: int = 48,
    rate: int = RATE,
    codec: str = "pcm_s16le",
    layout: str | None = None,
    sound_after: Fraction = Fraction(0),
    picture_after: Fraction = Fraction(0),
    fps: Fraction = FPS,
    size: tuple[int, int] = TINY,
    shows: int = 0,
    times: Sequence[int] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A clip whose frames say `shows`, `shows + 1`, ...; both streams may begin after the container's time 0.

    `rate` is that of its sound. `times` are those of its frames in ms, for a variable rate.
    """
    # MP4 and MOV store the start to the sample only if the whole file counts in samples.
    options = {"movie_timescale": str(rate)} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=options) as container:
        coded = {"preset": "ultrafast", "bf": "0"} | dict(options or {})
        video = container.add_stream("libx264", rate=fps, options=coded)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        tick = Fraction(1, 1000) if times else 1 / fps
        video.time_base = video.codec_context.time_base = tick
        sound: av.AudioStream | None = None
        if wave is not None:
            layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[wave.shape[1]]
            added = container.add_stream(codec, rate=rate, layout=layout)
            assert isinstance(added, av.AudioStream)
            sound = added
        first = int(picture_after / tick)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(shows + number, *size), format="rgb24")
            frame.pts, frame.time_base = first + (times[number] if times else number), tick
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode(None))
        if sound is not None and wave is not None and layout is not None:
            for block in _frames(wave, layout, rate, int(sound_after * rate)):
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return path


def form(rate: Fraction = FPS) -> Form:
    """A form of a tiny picture at a rate."""
    return Form(
        width=64,
        height=48,
        rate=rate,
        layout=PixelLayout(chroma="420", depth=8),
        colour=HD_COLOUR,
        settings=EncodeSettings(codec="h264", quality=23, preset="ultrafast", container="mp4"),
    )


def footage(path: Path, rate: Fraction = FPS, **scene: object) -> Footage:
    """A clip as a scene of its own."""
    info = probe(path, SETTINGS.limits).info
    said = Scene.model_validate({"clip": str(path), **scene})
    frames = scene_frames(said, info.video.duration, rate)
    return Footage(path=path, digest="0" * 64, info=info, scene=said, frames=frames)


def stored(path: Path) -> Samples:
    """All samples of a file that a scene's sound is in."""
    wav = open_wav(path)
    return wav.read(0, wav.samples)


def decoded(path: Path) -> Samples:
    """All samples of a finished file, by the demuxer's own times."""
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(audio=0) if isinstance(frame, av.AudioFrame)]
        for before, after in pairwise(frames):
            assert before.pts is not None
            assert after.time_base is not None
            assert abs((after.pts or 0) - before.pts - before.samples / RATE / after.time_base) <= 1
        parts = []
        for frame in frames:
            array = frame.to_ndarray()
            planar = array if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels).T
            scale = 1.0 if planar.dtype == np.float32 else 2.0**31
            parts.append(planar.T.astype(np.float64) / scale)
    return np.concatenate(parts).astype(np.float32)


def lag(found: Samples, reference: Samples) -> int:
    """How many samples later the found sound is than the reference, by their correlation."""
    a, b = found.mean(axis=1), reference.mean(axis=1)
    size = 1 << (len(a) + len(b)).bit_length()
    match = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    best = int(np.argmax(match))
    return best if best < size // 2 else best - size


def measured(path: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP, as ffmpeg's own program says."""
    argv = [str(ffmpeg_path(SETTINGS)), "-nostdin", "-hide_banner", "-nostats", "-i", file_url(path)]
    argv += ["-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stderr
    summary = said[said.rindex("Summary:") :]
    loudness = re.search(r"I:\s+(-?[\d.]+) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[\d.]+|-inf) dBFS", summary)
    assert loudness
    assert peak
    return float(loudness[1]), float(peak[1])


def level(wave: Samples | NDArray[np.float64]) -> float:
    """Mean power in dB, full scale at 0."""
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64)) + 1e-20))


def largest_step(wave: Samples) -> float:
    """The largest difference of samples that follow each other."""
    return float(np.abs(np.diff(wave, axis=0)).max())


def scene_file(path: Path, wave: Samples, speech: tuple[tuple[int, int], ...] = ()) -> SceneSound:
    """Samples as the sound of a scene."""
    with WavWriter(path, wave.shape[1]) as file:
        file.append(wave)
    return SceneSound(path=path, samples=len(wave), loudness=-23.0, peak=-6.0, speech=speech)


def episode(
    scenes: int, seconds: float, rate: Fraction = FPS, **more: object
) -> tuple[EpisodeSpec, Timeline]:
    """An episode of scenes that are all as long, and its timeline."""
    spec = EpisodeSpec.model_validate({"scenes": [{"clip": f"{n}.mp4"} for n in range(scenes)], **more})
    return spec, lay_out(spec, [Fraction(seconds)] * scenes, rate)
