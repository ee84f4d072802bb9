"""The sound of an episode: scenes, music and effects in their places, at the loudness that was asked for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from sakuga.episode.channels import CHANNELS
from sakuga.episode.loudness import Loudness, Meter
from sakuga.episode.master import Master
from sakuga.episode.music import Score
from sakuga.episode.parts import Part, added_up
from sakuga.episode.sound import RAMP, SceneSound
from sakuga.episode.spec import EpisodeSpec, Layout
from sakuga.episode.speech import Spans
from sakuga.episode.timeline import Timeline
from sakuga.episode.wav import Cancelled, Samples, Wav, WavWriter, open_wav, sample_at
from sakuga.errors import CancelledError, ContractError
from sakuga.media.info import Frozen
from sakuga.settings import Settings


class Mixed(Frozen):
    """The sound track of an episode: `samples` at 48 kHz, encoded.

    `loudness` in LUFS and `true_peak` in dBTP are measured in the finished file; loudness is None where the
    episode is silent. `gain` decibels were put on the mix; with `linear` nothing else was done to it. `notes`
    say what did not come out as it was asked for.
    """

    path: Path
    samples: int
    codec: str
    loudness: float | None
    true_peak: float
    gain: float
    linear: bool
    notes: tuple[str, ...] = ()


def mix(
    spec: EpisodeSpec,
    timeline: Timeline,
    sounds: Sequence[SceneSound],
    output: Path,
    scratch: Path,
    settings: Settings,
    cancelled: Cancelled = None,
    progress: Callable[[float], None] | None = None,
) -> Mixed:
    """Mix, level and encode the sound of an episode, exactly as long as its picture.

    Where two scenes overlap, one goes as the other comes, at equal power; at cuts, at the beginning and at
    the end sound comes and goes within 5 ms. The mix is brought to the loudness that was asked for by one
    gain where its true peaks allow that; where they do not, they are limited, and a note says so.

    Args:
        spec: the episode.
        timeline: where its scenes are.
        sounds: of the scenes, in order.
        output: final name; AAC in MP4, for MKV FLAC in Matroska, for ProRes PCM in MOV.
        scratch: folder for what is in between, which is removed again.
        settings: bounds of sources.
        cancelled: asked often; True stops.
        progress: told how much is done, from 0 to 1.

    Raises:
        OptionError: music or effects are missing, all of them named, or cannot be used as asked.
        ContractError: the sound of a scene is not what it is said to be.
        DiskFullError: no room is left.
        EncodeError: the encoder refused the sound.
        CancelledError: `cancelled` returned True.
    """
    layout = spec.output.layout
    samples = sample_at(timeline.duration)
    score = Score(spec, timeline, layout, scratch, settings, cancelled)
    raw = scratch / f"mix-{uuid4().hex[:12]}.wav"
    with ExitStack() as stack:
        stack.callback(raw.unlink, missing_ok=True)
        parts = _scenes(timeline, sounds, layout)
        parts += stack.enter_context(score.parts(spoken(timeline, sounds)))
        blocks = _watched(added_up(parts, samples, len(CHANNELS[layout])), samples, cancelled, progress)
        found = _write(blocks, raw, layout)
        master = Master(open_wav(raw), found, spec.output, cancelled, progress)
        mastered = master.write(output)
    if progress:
        progress(1.0)
    return Mixed(
        path=output,
        samples=samples,
        codec=master.codec,
        loudness=mastered.loudness.integrated,
        true_peak=mastered.loudness.true_peak,
        gain=mastered.gain,
        linear=mastered.linear,
        notes=(*score.notes, *mastered.notes),
    )


def spoken(timeline: Timeline, sounds: Sequence[SceneSound]) -> Spans:
    """Where somebody speaks in the episode, in samples, in order of the beginnings."""
    spans = []
    for placed, sound in zip(timeline.scenes, sounds, strict=True):
        place = sample_at(timeline.time(placed.first))
        spans += [(place + first, place + last) for first, last in sound.speech]
    return tuple(sorted(spans))


def _scenes(timeline: Timeline, sounds: Sequence[SceneSound], layout: Layout) -> list[Part]:
    parts = []
    for placed, sound in zip(timeline.scenes, sounds, strict=True):
        edges = (0, placed.before, placed.frames - placed.after, placed.frames)
        first, come, go, last = (sample_at(timeline.time(placed.first + edge)) for edge in edges)
        wav = _checked(sound, layout, last - first)
        ramp = min(RAMP, (last - first) // 2)
        part = Part(first, last, wav.read, fade_in=come - first or ramp, fade_out=last - go or ramp)
        parts.append(part)
    return parts


def _checked(sound: SceneSound, layout: Layout, samples: int) -> Wav:
    wav = open_wav(sound.path)
    # Where the scene stands decides to which side both of its ends are rounded.
    if (
        wav.channels != len(CHANNELS[layout])
        or wav.samples != sound.samples
        or abs(wav.samples - samples) > 1
    ):
        raise ContractError(
            f"The sound {sound.path.name} has {wav.samples} samples in {wav.channels} channels, planned were "
            f"{samples} in {len(CHANNELS[layout])}; run again to make it anew."
        )
    return wav


def _write(blocks: Iterator[Samples], output: Path, layout: Layout) -> Loudness:
    meter = Meter(layout)
    with WavWriter(output, len(CHANNELS[layout])) as file:
        for block in blocks:
            file.append(block)
            meter.push(block)
    return meter.result()


def _watched(
    blocks: Iterator[Samples], samples: int, cancelled: Cancelled, progress: Callable[[float], None] | None
) -> Iterator[Samples]:
    done = 0
    for block in blocks:
        if cancelled and cancelled():
            raise CancelledError("Stopped as asked.")
        yield block
        done += len(block)
        if progress:
            progress(done / samples / 2)
