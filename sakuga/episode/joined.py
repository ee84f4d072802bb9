"""Proof that a joined episode plays from its first frame to its last, with all that belongs to it."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
from av.container import InputContainer

from sakuga.episode.form import Form
from sakuga.episode.subtitles import TICK, SubtitleTrack, timed
from sakuga.episode.timeline import Timeline
from sakuga.errors import CancelledError, ContractError, InputError
from sakuga.media.chunks import OWN_LIMITS, Schedule, VideoTrack, video_packets
from sakuga.media.decode import prepare_decoder
from sakuga.media.open import open_media
from sakuga.media.proof import MKV_TICK

Cancelled = Callable[[], bool] | None

_POLL_FRAMES = 32
_EMPTY_CUE = 2
"""Bytes of a mov_text sample without text, which fills the time between two captions."""


def prove_playable(path: Path, timeline: Timeline, form: Form, *, sound: bool, cancelled: Cancelled) -> None:
    """Decode all of an episode: frame k is shown at k / rate, and sound is there from 0 to the end.

    Times are exact in MP4 and MOV, and within a millisecond in MKV. Sound may go on for less than a packet
    more than the picture, because codecs code whole packets.

    Raises:
        ContractError: something does not decode, or comes at another time; the message says what.
        CancelledError: `cancelled` returned True.
    """
    tolerance = MKV_TICK if form.settings.container == "mkv" else Fraction(0)
    try:
        with open_media(path, OWN_LIMITS) as container:
            _prove_pictures(container, timeline, form, tolerance, cancelled)
        if sound:
            with open_media(path, OWN_LIMITS) as container:
                _prove_sound(container, timeline, tolerance, cancelled)
    except (av.FFmpegError, InputError) as error:
        raise ContractError(f"The episode does not play to its end: {error}") from error


def _prove_pictures(
    container: InputContainer, timeline: Timeline, form: Form, tolerance: Fraction, cancelled: Cancelled
) -> None:
    stream = container.streams.video[0]
    prepare_decoder(container, stream.index, OWN_LIMITS)
    count = 0
    for frame in container.decode(stream):
        _poll(cancelled, count)
        if frame.is_corrupt or (frame.width, frame.height) != form.size:
            raise ContractError(f"Frame {count} of the episode does not decode as planned.")
        base = frame.time_base or stream.time_base
        time = frame.pts * base if frame.pts is not None and base else None
        if time is None or abs(time - timeline.time(count)) > tolerance:
            raise ContractError(f"Frame {count} of the episode comes at another time than planned.")
        count += 1
    if count != timeline.frames:
        raise ContractError(f"The episode plays {count} frames where {timeline.frames} were planned.")


def _prove_sound(
    container: InputContainer, timeline: Timeline, tolerance: Fraction, cancelled: Cancelled
) -> None:
    stream = container.streams.audio[0]
    first: Fraction | None = None
    end, longest = Fraction(0), Fraction(0)
    for number, frame in enumerate(container.decode(stream)):
        _poll(cancelled, number)
        if frame.pts is None or frame.time_base is None:
            raise ContractError("The sound of the episode has parts without a time.")
        start, length = frame.pts * frame.time_base, Fraction(frame.samples, frame.sample_rate)
        if first is not None and abs(start - end) > 2 * tolerance + frame.time_base:
            raise ContractError(f"The sound of the episode has a gap at {float(end):.3f} s.")
        first = start if first is None else first
        end, longest = start + length, max(longest, length)
    sample = Fraction(1, stream.codec_context.sample_rate)
    if first is None or abs(first) > tolerance + sample:
        raise ContractError("The sound of the episode does not begin with its picture.")
    late = end - timeline.duration
    if not -tolerance - sample <= late < longest + tolerance + sample:
        raise ContractError(f"The sound of the episode ends {float(late):+.3f} s after its picture.")


def prove_packets(path: Path, track: VideoTrack, timing: Schedule, cancelled: Cancelled) -> None:
    """Every packet of the video is, byte for byte, the one that was put in.

    So what was found out of the segments by decoding them holds for the episode.

    Raises:
        ContractError: one differs or is missing.
        CancelledError: `cancelled` returned True.
    """
    wanted = video_packets(track, timing)
    try:
        with open_media(path, OWN_LIMITS) as container:
            found = (packet for packet in container.demux(container.streams.video[0]) if packet.size)
            for number, (ours, theirs) in enumerate(zip_longest(found, wanted)):
                _poll(cancelled, number)
                if ours is None or theirs is None or memoryview(ours) != memoryview(theirs):
                    raise ContractError(f"Packet {number} of the episode is not the one of its segment.")
    except (av.FFmpegError, InputError) as error:
        raise ContractError(f"The episode cannot be read back: {error}") from error


def _poll(cancelled: Cancelled, number: int) -> None:
    if cancelled and number % _POLL_FRAMES == 0 and cancelled():
        raise CancelledError("Stopped as asked.")


def prove_parts(path: Path, timeline: Timeline, subtitles: Sequence[SubtitleTrack]) -> None:
    """Chapters are where their scenes begin, and every caption is where it was put, to a millisecond.

    Raises:
        ContractError: one is missing or elsewhere.
    """
    try:
        with open_media(path, OWN_LIMITS) as file:
            found = [one["start"] * one["time_base"] for one in file.chapters() if one["time_base"]]
            tracks = [_captions(file, number) for number in range(len(subtitles))]
    except (av.FFmpegError, InputError, IndexError) as error:
        raise ContractError(f"The episode cannot be read back: {error}") from error
    wanted = [chapter.start for chapter in timeline.chapters]
    if len(found) != len(wanted) or any(
        abs(a - b) > TICK for a, b in zip(sorted(found), wanted, strict=True)
    ):
        raise ContractError("The chapters of the episode are not where its scenes begin.")
    for track, captions in zip(subtitles, tracks, strict=True):
        planned = [(start * TICK, end * TICK) for start, end, _ in timed(track)]
        if len(planned) != len(captions) or any(
            abs(a - b) > TICK
            for pair, other in zip(planned, captions, strict=True)
            for a, b in zip(pair, other, strict=True)
        ):
            raise ContractError(f"The subtitles in {track.language or 'no language'} are not as planned.")


def _captions(container: InputContainer, number: int) -> list[tuple[Fraction, Fraction]]:
    """Start and end of each caption of a track of subtitles."""
    container.seek(0)
    stream = [
        one for one in container.streams.subtitles if "chapter" not in one.metadata.get("handler_name", "")
    ][number]
    times = []
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size > _EMPTY_CUE:
            base = packet.time_base
            times.append((packet.pts * base, (packet.pts + (packet.duration or 0)) * base))
    return times
