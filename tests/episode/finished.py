"""A finished episode to check, as the pipeline makes it, and the same damaged in every way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from sakuga.episode.assembly import assemble_episode
from sakuga.episode.audit import Audit, audit_episode
from sakuga.episode.cover import make_cover
from sakuga.episode.footage import Footage
from sakuga.episode.form import HD_COLOUR, Form, segment_writer
from sakuga.episode.mix import Mixed, mix
from sakuga.episode.render import render
from sakuga.episode.sound import scene_sound
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Timeline, lay_out
from sakuga.episode.wav import RATE, Samples
from sakuga.media.codecs import EncodeSettings
from sakuga.media.decode import FrameReader
from sakuga.media.info import Chapter, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.probe import probe
from sakuga.settings import Settings
from tests.clips import make_clip
from tests.episode.sounds import decoded, footage, noise, write_clip

SETTINGS = Settings()
FPS = Fraction(24)
FRAMES = 48
SECONDS = FRAMES / FPS
MEAN = 12
"""Samples that noise is the mean of, which leaves little above 4 kHz."""


def murmur(seed: int) -> Samples:
    """Two channels of noise without high tones, which codecs would take away, of another level each time."""
    wave = noise(float(SECONDS), 0.1 * seed, seed=seed, channels=2)
    sums = np.cumsum(np.pad(wave, ((MEAN, 0), (0, 0))), axis=0)
    return np.asarray((sums[MEAN:] - sums[:-MEAN]) / MEAN, np.float32)


@dataclass(frozen=True)
class Finished:
    """An episode with everything that it was made of."""

    folder: Path
    result: Path
    spec: EpisodeSpec
    timeline: Timeline
    form: Form
    footages: tuple[Footage, ...]
    mixed: Mixed | None

    def audit(self, result: Path | None = None, **more: Any) -> Audit:  # noqa: ANN401
        """All checks of this result, or of another file in its place."""
        return audit_episode(
            result or self.result,
            self.spec,
            self.timeline,
            self.form,
            self.footages,
            self.mixed,
            SETTINGS,
            **more,
        )

    def failures(self, result: Path | None = None) -> set[str]:
        """Names of the checks that fail."""
        return {check.name for check in self.audit(result).checks if not check.passed}

    def pictures(self) -> list[Picture]:
        """All frames of the result."""
        made = probe(self.result, SETTINGS.limits)
        with FrameReader(self.result, made.info.video, made.packets, limits=SETTINGS.limits) as reader:
            return list(reader.read(0, len(made.packets)))

    def damaged(
        self,
        path: Path,
        *,
        pictures: Callable[[list[Picture]], list[Picture]] | None = None,
        sound: Callable[[Samples], Samples] | None = None,
        late: Fraction = Fraction(0),
        lost: tuple[Fraction, Fraction] | None = None,
        chapters: Sequence[Chapter] | None = None,
        rate: Fraction = FPS,
    ) -> Path:
        """The result with other pictures or samples, late sound, a hole in it, or other chapters."""
        video, track = self.result, self.result
        if pictures:
            video = write_pictures(path.with_suffix(".video.mp4"), pictures(self.pictures()), self.form, rate)
        if sound:
            track = write_aac(path.with_suffix(".sound.mp4"), sound(decoded(self.result)))
        given = self.timeline.chapters if chapters is None else chapters
        return muxed(path, video, track, given, late, lost)


def finish(folder: Path, spec: dict[str, Any], clips: Sequence[dict[str, Any]]) -> Finished:
    """Make an episode of clips; `spec` says everything but the scenes, each clip what its scene says.

    A clip has its frames' numbers and noise, or this `wave` or `draw`, or is a `placeholder`.
    """
    footages, scenes = [], []
    for number, scene in enumerate(clips, 1):
        path = folder / f"clip {number}.mov"
        fields = dict(scene)
        wave, draw = fields.pop("wave", murmur(number)), fields.pop("draw", None)
        missing = fields.pop("placeholder", False)
        if draw:
            make_clip(path, frames=FRAMES, size=(64, 48), rate=FPS, draw=draw, options={"crf": "12"})
        else:
            write_clip(path, wave, frames=FRAMES)
        footages.append(footage(path, FPS, **fields).model_copy(update={"placeholder": missing}))
        scenes.append(footages[-1].scene)
    said = EpisodeSpec.model_validate({**spec, "scenes": scenes})
    form = Form(
        width=64,
        height=48,
        rate=FPS,
        layout=PixelLayout(chroma="420", depth=8),
        colour=HD_COLOUR,
        settings=EncodeSettings(quality=14, preset="ultrafast", container=said.output.container),
    )
    timeline = lay_out(said, [one.info.video.duration for one in footages], FPS)
    segments = []
    for number, segment in enumerate(timeline.segments):
        segments.append(folder / f"segment-{number}.mp4")
        spans = [footages[span.scene] for span in segment.spans]
        render(segment, spans, said, form, segments[-1], SETTINGS)
    layout = said.output.layout
    sounds = [
        scene_sound(one, form, layout, folder / f"sound-{number}.wav", SETTINGS)
        for number, one in enumerate(footages)
    ]
    mixed = mix(said, timeline, sounds, folder / "mix", folder, SETTINGS)
    result = folder / f"episode.{said.output.container}"
    time, cover = said.output.cover, None
    if time is not None:
        cover = make_cover(segments, timeline, form, time, folder / "cover.jpg")
    assemble_episode(
        segments,
        timeline,
        form,
        sound=mixed.path,
        subtitles=(),
        cover=cover,
        metadata={"title": said.title},
        output=result,
        scratch=folder,
        settings=SETTINGS,
    )
    return Finished(folder, result, said, timeline, form, tuple(footages), mixed)


def write_pictures(path: Path, pictures: Sequence[Picture], form: Form, rate: Fraction = FPS) -> Path:
    """These pictures, encoded as the form says."""
    own = {"width": pictures[0].width, "height": pictures[0].height, "rate": rate}
    with segment_writer(path, form.model_copy(update=own)) as writer:
        for number, picture in enumerate(pictures):
            writer.write(picture, number)
    return path


def write_aac(path: Path, wave: Samples) -> Path:
    """These samples as AAC, exactly as long."""
    with av.open(str(path), "w", container_options={"movie_timescale": str(RATE)}) as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo", options={"b": "256k"})
        assert isinstance(stream, av.AudioStream)
        for start in range(0, len(wave), 1024):
            planes = np.ascontiguousarray(wave[start : start + 1024].T)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def muxed(
    path: Path,
    video: Path,
    sound: Path | None,
    chapters: Sequence[Chapter],
    late: Fraction = Fraction(0),
    lost: tuple[Fraction, Fraction] | None = None,
) -> Path:
    """Copies of the video of one file and the sound of another, packet for packet.

    The sound is `late` by so many seconds; its packets in the range `lost` are left out.
    """
    with av.open(str(path), "w", container_options={"movie_timescale": str(RATE)}) as made:
        made.set_chapters(
            [
                {
                    "id": number,
                    "start": round(chapter.start * 1000),
                    "end": round(chapter.end * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": chapter.title or ""},
                }
                for number, chapter in enumerate(chapters)
            ]
        )
        inputs = [av.open(str(video)), av.open(str(sound or video))]
        kept = [inputs[0].streams.video[0], *(inputs[1].streams.audio[:1] if sound else ())]
        copies = [made.add_stream_from_template(stream) for stream in kept]
        for copy, stream in zip(copies, kept, strict=True):
            copy.time_base = stream.time_base
        for source, stream, copy in zip(inputs, kept, copies, strict=False):
            for packet in source.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                time = packet.pts * packet.time_base
                if stream.type == "audio":
                    if lost and lost[0] <= time < lost[1]:
                        continue
                    shift = round(late / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = copy
                made.mux(packet)
        for source in inputs:
            source.close()
    return path
