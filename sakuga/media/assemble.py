"""The result: chunks joined by stream copy, with every other stream of the source that fits."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from sakuga.errors import EncodeError
from sakuga.media.chunks import Schedule, VideoTrack, schedule
from sakuga.media.codecs import Codec
from sakuga.media.containers import Container, subtitle_fit
from sakuga.media.convert import Converter
from sakuga.media.encode import beside, writing
from sakuga.media.info import MediaInfo
from sakuga.media.matroska import set_frame_rate
from sakuga.media.notes import Assembly, StreamNote, leave_out, plan_streams
from sakuga.media.proof import prove
from sakuga.media.remux import About, Carried, Remux
from sakuga.settings import Settings

__all__ = ["Assembly", "StreamNote", "VideoTrack", "assemble"]

AudioChoice = Literal["keep", "aac", "none"]

_GIVEN_UP_IN_TURN = ("subtitle", "attachment", "cover")
"""Kinds that are left out, one after the other, when the muxer refuses the whole."""


def assemble(
    source: Path,
    info: MediaInfo,
    track: VideoTrack,
    *,
    codec: Codec,
    container: Container,
    audio: AudioChoice,
    metadata: dict[str, str],
    output: Path,
    scratch: Path,
    settings: Settings,
    cancelled: Callable[[], bool] | None = None,
) -> Assembly:
    """Join the chunks and the source's other streams into `output`, in one pass, and prove the result.

    The file is written beside its final name and renamed when it is proved; nothing is left on failure.

    Args:
        source: the file that was enhanced.
        info: what it holds.
        track: the chunks and when their frames are shown, from `info.start` on.
        codec: of the chunks.
        container: of the result.
        audio: `keep` copies what the container can hold and converts the rest, `aac` converts all.
        metadata: tags of the result besides the source's, such as title and settings.
        output: final name.
        scratch: folder for converted streams, removed again.
        settings: where ffmpeg is and how long it may run.
        cancelled: asked often; True stops.

    Raises:
        ContractError: the chunks or the result are not what was planned.
        EncodeError: the muxer refused the streams.
        SubprocessError: ffmpeg could not convert the audio.
        DiskFullError: no room is left.
        CancelledError: `cancelled` returned True.
    """
    timing = schedule(track)
    notes = plan_streams(info, container, audio)
    part = beside(output)
    made: dict[int, Path] = {}
    try:
        notes = _convert(notes, made, Converter(source, info, scratch, settings, cancelled), container)
        about = About.of(info, metadata)
        job = Remux(source, about, track, codec, container, settings.limits, cancelled)
        with writing(f"the result {output.name}", output.parent):
            notes, carried = _mux(job, source, notes, made, part, timing)
            part.replace(output)
    finally:
        part.unlink(missing_ok=True)
        for path in made.values():
            path.unlink(missing_ok=True)
    return Assembly.of(_final_notes(notes, carried))


def _mux(
    job: Remux, source: Path, notes: list[StreamNote], made: dict[int, Path], part: Path, timing: Schedule
) -> tuple[list[StreamNote], list[Carried]]:
    """Write and prove the result; a kind of stream that the muxer refuses is left out in a second try."""
    while True:
        carried = _carried(notes, source, made)
        try:
            write_proved(job, part, timing, carried)
        except EncodeError as error:
            notes = _give_up_one_kind(notes, error)
        else:
            return notes, carried


def write_proved(job: Remux, part: Path, timing: Schedule, carried: Sequence[Carried]) -> None:
    """Write a file under its temporary name, and prove that it holds the frames, times and packets.

    Raises:
        ContractError: it is not what was put in.
        EncodeError: the muxer refused a stream.
        DiskFullError: no room is left.
        CancelledError: the job was cancelled.
    """
    with writing("the result", part.parent):
        job.write(part, timing, carried)
    if job.container == "mkv":
        set_frame_rate(part, job.track.mean_rate)
    prove(part, job.container, job.track, carried)


def _convert(
    notes: list[StreamNote], made: dict[int, Path], converter: Converter, container: Container
) -> list[StreamNote]:
    wanted = {note.index for note in notes if note.action == "converted"}
    sounds = [stream for stream in converter.info.audio if stream.index in wanted]
    texts = [stream for stream in converter.info.subtitles if stream.index in wanted]
    made.update(converter.planned_audio(sounds))
    converter.audio(sounds)
    made.update(converter.subtitles(texts, subtitle_fit("text", container)[1]))
    return [
        leave_out(note, "ffmpeg could not convert it") if note.index in wanted - made.keys() else note
        for note in notes
    ]


def _carried(notes: list[StreamNote], source: Path, made: dict[int, Path]) -> list[Carried]:
    carried = []
    for note in sorted(notes, key=lambda each: each.index):
        if note.index in made and note.action == "converted":
            carried.append(Carried(note, made[note.index], 0))
        elif note.action == "copied":
            carried.append(Carried(note, source, note.index))
    return carried


def _give_up_one_kind(notes: list[StreamNote], error: EncodeError) -> list[StreamNote]:
    for kind in _GIVEN_UP_IN_TURN:
        if any(note.kind == kind and note.action != "left_out" for note in notes):
            why = f"the muxer refused it ({error})"
            return [leave_out(note, why) if note.kind == kind else note for note in notes]
    raise error


def _final_notes(notes: list[StreamNote], carried: list[Carried]) -> list[StreamNote]:
    broken = {each.note.index for each in carried if each.broken}
    return [
        note.model_copy(update={"why": f"{note.why}, up to where the source breaks off"})
        if note.index in broken
        else note
        for note in notes
    ]
