"""A scene's sound: in sync with its picture, as long as its frames, and as loud as all others."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from sakuga.episode.channels import CHANNELS
from sakuga.episode.filters import LEAD, at_speed
from sakuga.episode.footage import Footage
from sakuga.episode.form import Form
from sakuga.episode.listen import listen, padded, sound_index
from sakuga.episode.loudness import SILENT, WORKING_LEVEL, Loudness, Meter, amplitude
from sakuga.episode.spec import Layout, Scene
from sakuga.episode.speech import Spans, SpeechFinder
from sakuga.episode.wav import RATE, Cancelled, Samples, WavWriter, sample_at
from sakuga.media.info import Frozen, MediaInfo
from sakuga.settings import Settings

MAX_BOOST = 30.0
"""dB that a quiet clip is turned up at most: beyond it, what is heard is the noise of its recording."""

RAMP = RATE // 200
"""5 ms, over which sound comes and goes at a cut: too short to be heard, too long to click."""


class SceneSound(Frozen):
    """The sound of a scene in a WAV file, in samples at 48 kHz.

    `loudness` is the file's in LUFS, None where it is silent, after `gain` dB were put on the clip's;
    `peak` is its true peak in dBTP, and `speech` tells where somebody speaks in it.
    """

    path: Path
    samples: int
    loudness: float | None = None
    gain: float = 0.0
    peak: float = SILENT
    speech: Spans = ()


def scene_sound(
    footage: Footage,
    form: Form,
    layout: Layout,
    output: Path,
    settings: Settings,
    cancelled: Cancelled = None,
) -> SceneSound:
    """Write the sound of a scene.

    Its sample n is heard n / 48000 seconds after the scene's first frame, whatever times the clip's streams
    begin at. It ends where the scene does, and is silent to the end of its last frame. The part that is used
    is brought to -23 LUFS (gated, BS.1770), then the scene's own gain is put on it.

    Args:
        footage: the scene's clip.
        form: for the frame rate.
        layout: channels that are wanted; others are mixed to them.
        output: final name; nothing is under it until the file is whole.
        settings: bounds of sources.
        cancelled: asked often; True stops.

    Raises:
        UnreadableMediaError: no decoder here knows the clip's sound.
        DiskFullError: no room is left.
        CancelledError: `cancelled` returned True.
    """
    samples = sample_at(footage.frames / form.rate)
    scene = footage.scene
    index = None if footage.placeholder or scene.mute else sound_index(footage.info)
    with WavWriter(output, len(CHANNELS[layout])) as file:
        if index is None:
            for block in padded(iter(()), samples, layout):
                file.append(block)
            return SceneSound(path=output, samples=samples)
        meter, speech = Meter(layout), SpeechFinder()
        blocks = _heard(footage.path, footage.info, scene, samples, layout, settings, cancelled)
        for block in padded(blocks, samples, layout):
            file.append(block)
            meter.push(block)
            speech.push(block)
        found = meter.result()
        gain = scene_gain(found, scene)
        if gain:
            file.scale(amplitude(gain))
    return SceneSound(
        path=output,
        samples=samples,
        loudness=None if found.integrated is None else found.integrated + gain,
        gain=gain,
        peak=max(SILENT, found.true_peak + gain),
        speech=speech.result(amplitude(gain)),
    )


def scene_gain(found: Loudness, scene: Scene) -> float:
    """Decibels that bring a scene to the working level and to its own gain above it."""
    if found.integrated is None:
        return scene.gain
    return min(WORKING_LEVEL - found.integrated, MAX_BOOST) + scene.gain


def _heard(
    path: Path,
    info: MediaInfo,
    scene: Scene,
    samples: int,
    layout: Layout,
    settings: Settings,
    cancelled: Cancelled,
) -> Iterator[Samples]:
    """The part of the clip that the scene shows, at its speed, to its end at the latest."""
    wanted = sample_at(Fraction(samples, RATE) * scene.speed)
    count = wanted
    if scene.end is not None and scene.end < info.video.duration:
        count = min(wanted, sample_at(scene.end - scene.start))
    lead = LEAD if scene.speed != 1 else 0
    blocks = listen(
        path,
        layout,
        count=lead + count + lead // 2,
        limits=settings.limits,
        index=sound_index(info),
        origin=info.video.start + scene.start - Fraction(lead, RATE),
        cancelled=cancelled,
    )
    if lead:
        blocks = at_speed(blocks, scene.speed, layout)
    ends = sample_at(Fraction(count, RATE) / scene.speed)
    return faded_out(blocks, ends) if ends < samples else blocks


def faded_out(blocks: Iterator[Samples], last: int) -> Iterator[Samples]:
    """Sound that goes within `RAMP` to be silent from sample `last` on."""
    done = 0
    for block in blocks:
        left = last - np.arange(done, done + len(block))
        done += len(block)
        if left[-1] < RAMP:
            block = block * np.clip(left / RAMP, 0, 1).astype(np.float32)[:, None]
        yield block
