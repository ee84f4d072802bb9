"""What becomes of each stream of a source in the result."""

from typing import Literal

from sakuga.media.containers import Container, audio_fit, holds_attachments, subtitle_fit
from sakuga.media.info import Frozen, MediaInfo, OtherStream
from sakuga.media.languages import UNKNOWN, language_tag

StreamKind = Literal["audio", "subtitle", "video", "cover", "data", "attachment"]


class StreamNote(Frozen):
    """What became of one stream of the source, and why; `codec` is what it has in the source."""

    index: int
    kind: StreamKind
    codec: str
    action: Literal["copied", "converted", "left_out"]
    why: str


class Assembly(Frozen):
    """What became of every stream but the enhanced one."""

    kept: tuple[StreamNote, ...] = ()
    converted: tuple[StreamNote, ...] = ()
    left_out: tuple[StreamNote, ...] = ()

    @classmethod
    def of(cls, notes: list[StreamNote]) -> "Assembly":
        """The notes by what was done, each group in the source's order."""
        ordered = sorted(notes, key=lambda note: note.index)
        return cls(
            kept=tuple(note for note in ordered if note.action == "copied"),
            converted=tuple(note for note in ordered if note.action == "converted"),
            left_out=tuple(note for note in ordered if note.action == "left_out"),
        )


def plan_streams(
    info: MediaInfo, container: Container, audio: Literal["keep", "aac", "none"]
) -> list[StreamNote]:
    """What is to become of every stream but the enhanced one."""
    return [
        *_audio_notes(info, container, audio),
        *_subtitle_notes(info, container),
        *(_other_note(stream, container) for stream in info.others),
    ]


def leave_out(note: StreamNote, why: str) -> StreamNote:
    """The same stream, left out after all."""
    return note.model_copy(update={"action": "left_out", "why": why})


def _audio_notes(
    info: MediaInfo, container: Container, audio: Literal["keep", "aac", "none"]
) -> list[StreamNote]:
    notes = []
    for stream in info.audio:
        action: Literal["copied", "converted", "left_out"] = "converted"
        if audio == "none":
            action, why = "left_out", "no audio was asked for"
        elif audio == "aac":
            why = "AAC was asked for"
        elif audio_fit(stream.codec, container) == "copied":
            action, why = "copied", "bit for bit"
        else:
            why = f"{container.upper()} cannot hold {stream.codec}, so it became AAC"
        if action != "left_out":
            why += _language_lost(stream.language, container)
        notes.append(StreamNote(index=stream.index, kind="audio", codec=stream.codec, action=action, why=why))
    return notes


def _subtitle_notes(info: MediaInfo, container: Container) -> list[StreamNote]:
    why = {
        "copied": "as they are",
        "converted": "{container} cannot hold {codec}, so they became {target}",
        "left_out": "{container} cannot hold {codec}",
    }
    notes = []
    for stream in info.subtitles:
        action, target = subtitle_fit(stream.codec, container)
        text = why[action].format(container=container.upper(), codec=stream.codec, target=target)
        if action != "left_out":
            text += _language_lost(stream.language, container)
        notes.append(
            StreamNote(index=stream.index, kind="subtitle", codec=stream.codec, action=action, why=text)
        )
    return notes


def _language_lost(language: str | None, container: Container) -> str:
    if not language or language == UNKNOWN or language_tag(language, container):
        return ""
    return f", without its language {language}, which {container.upper()} cannot say"


def _other_note(stream: OtherStream, container: Container) -> StreamNote:
    action: Literal["copied", "left_out"] = "left_out"
    match stream.kind:
        case "attachment" if holds_attachments(container):
            action, why = "copied", "as it is"
        case "cover" if holds_attachments(container):
            action, why = "copied", "as an attached picture"
        case "attachment" | "cover":
            why = f"{container.upper()} cannot hold attached files"
        case "video":
            why = "only one video stream is enhanced"
        case "data":
            why = "data belongs to the original pictures"
    codec = stream.codec or stream.name or "unknown"
    return StreamNote(index=stream.index, kind=stream.kind, codec=codec, action=action, why=why)
