"""The episode: its segments joined by stream copy, with sound, chapters, subtitles, cover and tags."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sakuga.episode.form import Form
from sakuga.episode.joined import prove_packets, prove_parts, prove_playable
from sakuga.episode.subtitles import SubtitleTrack, write_subtitles
from sakuga.episode.timeline import Timeline
from sakuga.errors import ContractError
from sakuga.media.assemble import write_proved
from sakuga.media.chunks import OWN_LIMITS, VideoTrack, schedule
from sakuga.media.containers import Container, audio_fit
from sakuga.media.cover import holds_cover
from sakuga.media.encode import beside, writing
from sakuga.media.info import Frozen, Rational
from sakuga.media.languages import language_tag
from sakuga.media.notes import StreamNote
from sakuga.media.open import open_media
from sakuga.media.remux import About, Carried, Remux
from sakuga.settings import Settings


class Assembled(Frozen):
    """A proved episode; `notes` are sentences on what its container could not hold."""

    path: Path
    frames: int
    duration: Rational
    bytes: int
    notes: tuple[str, ...] = ()


def assemble_episode(
    segments: Sequence[Path],
    timeline: Timeline,
    form: Form,
    *,
    sound: Path | None,
    subtitles: Sequence[SubtitleTrack],
    cover: Path | None,
    metadata: Mapping[str, str],
    output: Path,
    scratch: Path,
    settings: Settings,
    cancelled: Callable[[], bool] | None = None,
    decode: bool = True,
) -> Assembled:
    """Join the segments and all that belongs to them into `output`, and prove the result.

    Frame k is shown at k / rate; sound begins with frame 0. The file is written beside its final name and
    renamed when it is proved; nothing is left on failure.

    Args:
        segments: a file for each segment of the timeline, in order.
        timeline: when everything is shown.
        form: what the segments are coded as; its settings name the container.
        sound: a file with one track in a codec that the container holds, from time 0; None for no sound.
        subtitles: one track for each language; the first one is shown by default.
        cover: a JPEG or PNG.
        metadata: tags, such as `title`.
        output: final name.
        scratch: folder for files that are removed again.
        settings: limits.
        cancelled: asked often; True stops.
        decode: decode the whole result as well, besides comparing its packets and times with the segments.

    Raises:
        ContractError: the segments, the sound or the result are not what was planned.
        EncodeError: the muxer refused a stream.
        DiskFullError: no room is left.
        CancelledError: `cancelled` returned True.
    """
    container, part = form.settings.container, beside(output)
    track = joined_track(segments, [segment.frames for segment in timeline.segments], timeline, form)
    timing = schedule(track)
    about = About(chapters=timeline.chapters, metadata=metadata)
    held = cover if holds_cover(container) else None
    with ExitStack() as stack:
        stack.callback(part.unlink, missing_ok=True)
        carried = _carried(sound, subtitles, container, scratch, stack)
        job = Remux(None, about, track, form.settings.codec, container, settings.limits, cancelled, held)
        with writing(f"the episode {output.name}", output.parent):
            write_proved(job, part, timing, carried)
            prove_packets(part, track, timing, cancelled)
            prove_parts(part, timeline, subtitles)
            if decode:
                prove_playable(part, timeline, form, sound=sound is not None, cancelled=cancelled)
            size = part.stat().st_size
            part.replace(output)
    notes = _notes(container, subtitles, cover)
    return Assembled(path=output, frames=timeline.frames, duration=timeline.duration, bytes=size, notes=notes)


def _carried(
    sound: Path | None,
    subtitles: Sequence[SubtitleTrack],
    container: Container,
    scratch: Path,
    stack: ExitStack,
) -> list[Carried]:
    """Sound and subtitles; files that are made for it go with the stack."""
    texts = [_subtitles(track, number, container, scratch, stack) for number, track in enumerate(subtitles)]
    return [*([_sound(sound, container)] if sound else []), *texts]


def joined_track(chunks: Sequence[Path], frames: Sequence[int], timeline: Timeline, form: Form) -> VideoTrack:
    """Segments as one video at the timeline's rate."""
    return VideoTrack(
        chunks=tuple(chunks),
        chunk_frames=tuple(frames),
        times=tuple(range(timeline.frames)),
        time_base=1 / timeline.rate,
        end=timeline.frames,
        frame_rate=timeline.rate,
        size=form.size,
        colour=form.colour,
        mixed=form.settings.codec == "h264",
    )


def _sound(path: Path, container: Container) -> Carried:
    with open_media(path, OWN_LIMITS) as file:
        if len(file.streams.audio) != 1:
            raise ContractError(f"The sound {path.name} has {len(file.streams.audio)} tracks, not one.")
        stream = file.streams.audio[0]
        index, codec = stream.index, stream.codec_context.codec.canonical_name
    if audio_fit(codec, container) != "copied":
        raise ContractError(f"The sound is {codec}, which {container.upper()} cannot hold.")
    note = StreamNote(index=0, kind="audio", codec=codec, action="copied", why="bit for bit")
    return Carried(note, path, index, tags={}, default=True)


def _subtitles(
    track: SubtitleTrack, number: int, container: Container, scratch: Path, stack: ExitStack
) -> Carried:
    path = beside(scratch / f"subtitles-{number}")
    stack.callback(path.unlink, missing_ok=True)
    write_subtitles(track, container, path)
    codec = "subrip" if container == "mkv" else "mov_text"
    note = StreamNote(index=1 + number, kind="subtitle", codec=codec, action="copied", why="of the scenes")
    named = {"language": track.language, "title": track.title}
    tags = {key: value for key, value in named.items() if value}
    return Carried(note, path, 0, tags=tags, default=number == 0)


def _notes(container: Container, subtitles: Sequence[SubtitleTrack], cover: Path | None) -> tuple[str, ...]:
    notes = [
        f"{container.upper()} cannot say that subtitles are in {track.language}."
        for track in subtitles
        if track.language and not language_tag(track.language, container)
    ]
    if cover and not holds_cover(container):
        notes.append(f"{container.upper()} cannot hold a cover.")
    return tuple(notes)
