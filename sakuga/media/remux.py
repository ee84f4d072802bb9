"""Video, copied and converted streams into one file, packet by packet, with exact times."""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import cast

import av
from av.container import Flags, InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from sakuga.errors import CancelledError, ContractError
from sakuga.media.chunks import INBAND_TAG, OWN_LIMITS, Schedule, VideoTrack, video_packets
from sakuga.media.codecs import Codec
from sakuga.media.containers import Container, format_options
from sakuga.media.cover import add_cover
from sakuga.media.info import Chapter, MediaInfo
from sakuga.media.languages import language_tag
from sakuga.media.notes import StreamNote
from sakuga.media.open import open_media
from sakuga.media.timing import MAX_TIMESCALE, common_unit, ticks
from sakuga.settings import Limits

_POLL_PACKETS = 64
_STREAM_TAGS = ("language", "title", "handler_name")
_CONTAINER_TAGS_LEFT_OUT = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "com.android.version"}
)
_MP4_TAGS = frozenset(
    {
        "title",
        "artist",
        "album_artist",
        "composer",
        "album",
        "date",
        "comment",
        "genre",
        "copyright",
        "grouping",
    }
    | {"description", "synopsis", "show", "episode_id", "network", "lyrics", "creation_time", "track", "disc"}
    | {"season_number", "episode_sort", "media_type", "location"}
)
_COVER_SUFFIX = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png"), "webp": ("webp", "image/webp")}


@dataclass
class Carried:
    """A stream besides the video: what was decided, the file it is read from, and what was written of it.

    Its language and title are in `tags`; without them it is called, and preferred, as the source's stream is.
    """

    note: StreamNote
    path: Path
    index: int
    tags: Mapping[str, str] | None = None
    default: bool = False
    first: Fraction | None = None
    broken: bool = False
    payload: "hashlib._Hash" = field(default_factory=hashlib.sha256)


@dataclass(frozen=True)
class About:
    """What a file says of itself.

    `start` is when the video's time 0 is on the clock of the chapters and of the streams besides it.
    """

    start: Fraction = Fraction(0)
    chapters: tuple[Chapter, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    video_tags: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, info: MediaInfo, metadata: Mapping[str, str]) -> "About":
        """What a source says, with other tags put over its own."""
        kept = {k: v for k, v in info.metadata.items() if k.lower() not in _CONTAINER_TAGS_LEFT_OUT}
        tags = {"language": info.video.language, "title": info.video.title}
        return cls(info.start, info.chapters, {**kept, **metadata}, tags)


@dataclass(frozen=True)
class Remux:
    """One output: what goes in, and how it is called.

    Files besides `source` were made here. `cover` is a JPEG or PNG.
    """

    source: Path | None
    about: About
    track: VideoTrack
    codec: Codec
    container: Container
    limits: Limits
    cancelled: Callable[[], bool] | None = None
    cover: Path | None = None

    def write(self, part: Path, timing: Schedule, carried: Sequence[Carried]) -> None:
        """Write the whole output to `part`.

        Raises:
            CancelledError: the caller asked to stop.
            av.FFmpegError: the muxer refused a stream or could not write.
        """
        name, options = format_options(self.container)
        with ExitStack() as stack:
            paths = dict.fromkeys([*filter(None, [self.source]), *(each.path for each in carried)])
            inputs = {path: self._open(path, stack) for path in paths}
            if name != "matroska":
                options["movie_timescale"] = str(self._movie_timescale(inputs, carried))
            template = stack.enter_context(open_media(self.track.chunks[timing.header], OWN_LIMITS))
            output = stack.enter_context(
                av.open(str(part.absolute()), "w", format=name, container_options=options)
            )
            # The same input always gives the same file: no random identifiers, no date.
            output.flags |= cast(int, Flags.bitexact.value)
            video = self._add_video(output, template.streams.video[0], timing.inband)
            lanes = self._add_lanes(output, inputs, carried)
            cover = add_cover(output, self.cover, self.container) if self.cover else None
            self._describe(output)
            output.start_encoding()
            if cover is not None:
                output.mux_one(cover)
            self._mux(output, video, lanes, timing, inputs)

    def _open(self, path: Path, stack: ExitStack) -> InputContainer:
        return stack.enter_context(open_media(path, self.limits if path == self.source else OWN_LIMITS))

    def _movie_timescale(self, inputs: dict[Path, InputContainer], carried: Sequence[Carried]) -> int:
        """Ticks per second that hold the start of every track exactly, and where it can every chapter's."""
        scale = lcm(1000, (self.track.times[0] * self.track.time_base).denominator)
        for each in carried:
            stream = inputs[each.path].streams[each.index]
            if isinstance(stream, av.AudioStream):
                scale = lcm(scale, stream.codec_context.sample_rate)
        starts = (chapter.start - self.about.start for chapter in self.about.chapters)
        finer = lcm(scale, *(start.denominator for start in starts))
        return next((scale for scale in (finer, scale) if scale <= MAX_TIMESCALE), 90_000)

    def _add_video(self, output: OutputContainer, template: av.VideoStream, inband: bool) -> av.VideoStream:
        stream = output.add_stream_from_template(template, opaque=True)
        assert isinstance(stream, av.VideoStream)
        stream.time_base = self.track.tick
        if template.codec_context.codec.canonical_name != self.codec:
            raise ContractError(f"The chunks are not {self.codec} as planned.")
        if self.codec == "prores" or self.container != "mkv":
            # Apple's players want the parameter sets of HEVC in the header, which is what hvc1 says.
            stream.codec_context.codec_tag = (
                "hvc1" if self.codec == "hevc" else INBAND_TAG if inband else template.codec_context.codec_tag
            )
        stream.disposition = Disposition.default
        stream.metadata.update(self._stream_tags(self.about.video_tags))
        return stream

    def _stream_tags(self, tags: Mapping[str, str | None]) -> dict[str, str]:
        kept = {key: value for key, value in tags.items() if key in _STREAM_TAGS and value}
        language = language_tag(kept.pop("language", None), self.container)
        return {**kept, "language": language} if language else kept

    def _add_lanes(
        self, output: OutputContainer, inputs: dict[Path, InputContainer], carried: Sequence[Carried]
    ) -> "list[Lane]":
        lanes = []
        for each in carried:
            if each.note.kind == "cover":
                _attach_cover(output, each.path, each.index, self.limits)
                continue
            held = inputs[each.path].streams[each.index]
            stream = output.add_stream_from_template(held, opaque=True)
            if each.note.kind == "attachment":
                continue
            if isinstance(held, av.AudioStream) and self.container != "mkv":
                stream.time_base = Fraction(1, held.codec_context.sample_rate)
            self._name(stream, each, inputs)
            frame = self._audio_frame(each, held) if isinstance(held, av.AudioStream) else None
            lanes.append(Lane(each, held, stream, self.container, frame))
        return lanes

    def _name(self, stream: Stream, each: Carried, inputs: dict[Path, InputContainer]) -> None:
        if each.tags is not None or self.source is None:
            stream.disposition = Disposition.default if each.default else Disposition(0)
            stream.metadata.update(self._stream_tags(each.tags or {}))
            return
        original = inputs[self.source].streams[each.note.index]
        stream.disposition = original.disposition
        stream.metadata.update(self._stream_tags(original.metadata))

    def _audio_frame(self, carried: Carried, held: av.AudioStream) -> Fraction | None:
        """Seconds that a packet of the track lasts, where its codec has packets of one length."""
        context = held.codec_context
        if context.frame_size and context.sample_rate:
            return Fraction(context.frame_size, context.sample_rate)
        # Opening a file does not read as far as the first packet of a track that is badly interleaved.
        limits = self.limits if carried.path == self.source else OWN_LIMITS
        try:
            with open_media(carried.path, limits) as container:
                frame = next(container.decode(container.streams[carried.index]), None)
        except av.FFmpegError:
            return None
        if not isinstance(frame, av.AudioFrame) or not frame.sample_rate:
            return None
        return Fraction(frame.samples, frame.sample_rate)

    def _describe(self, output: OutputContainer) -> None:
        output.metadata.update(_tags(dict(self.about.metadata), self.container))
        output.set_chapters(
            [
                _chapter(number, each, self.about.start, self.container)
                for number, each in enumerate(self.about.chapters)
            ]
        )

    def _mux(
        self,
        output: OutputContainer,
        video: av.VideoStream,
        lanes: "Sequence[Lane]",
        timing: Schedule,
        inputs: dict[Path, InputContainer],
    ) -> None:
        feeds: list[Iterator[tuple[Fraction, int, Packet[Stream]]]] = [_video_feed(self.track, timing, video)]
        for number, (path, container) in enumerate(inputs.items(), start=1):
            mine = {lane.carried.index: lane for lane in lanes if lane.carried.path == path}
            if mine:
                feeds.append(_feed(container, mine, self.about.start, number))
        for count, (_, _, packet) in enumerate(heapq.merge(*feeds, key=lambda item: item[:2])):
            if self.cancelled and count % _POLL_PACKETS == 0 and self.cancelled():
                raise CancelledError("Stopped as asked.")
            output.mux_one(packet)


def _chapter(
    number: int, chapter: Chapter, origin: Fraction, container: Container
) -> "av.container.core.Chapter":
    start, end = chapter.start - origin, chapter.end - origin
    unit = Fraction(1, common_unit(start, end).denominator)
    # In Matroska frames are rounded to milliseconds: so must be the chapter that begins with one.
    if container == "mkv" or unit.denominator > MAX_TIMESCALE:
        unit = Fraction(1, 1000)
    return {
        "id": number,
        "start": ticks(start, unit),
        "end": ticks(end, unit),
        "time_base": unit,
        "metadata": {"title": chapter.title} if chapter.title else {},
    }


class Lane:
    """One stream on its way from an input to the output."""

    def __init__(
        self, carried: Carried, source: Stream, output: Stream, container: Container, frame: Fraction | None
    ) -> None:
        self.carried = carried
        self._output = output
        # Matroska counts in milliseconds, and packets of TrueHD are shorter.
        self._least_step = 0 if container == "mkv" else 1
        self._frame = frame
        self._adts = isinstance(source, av.AudioStream) and (
            source.codec_context.name == "aac" and not source.codec_context.extradata
        )
        self._expected: Fraction | None = None
        self._before: Fraction | None = None
        self._last: int | None = None

    def retime(self, packet: "Packet[Stream]", origin: Fraction) -> Fraction:
        """Set the packet's times on the output's clock and return when it is decoded, in seconds."""
        base = packet.time_base
        known = packet.pts if packet.pts is not None else packet.dts
        time = known * base - origin if known is not None else (self._expected or Fraction(0))
        if self._frame and self._expected is not None and abs(time - self._expected) <= base:
            # Containers that count in milliseconds cannot say where an audio packet starts; its length can.
            time = self._expected
        own = (packet.duration or 0) * base
        if not own and self._before is not None:
            own = time - self._before
        self._before = time
        # A track's last packet may be shorter than the others.
        length = self._frame if self._frame and (not own or abs(own - self._frame) <= base) else own
        self._expected = time + length
        out = self._output.time_base
        assert out is not None
        ticks = round(time / out)
        if self._last is not None:
            ticks = max(ticks, self._last + self._least_step)
        self._last = ticks
        packet.pts = packet.dts = ticks
        packet.duration = round(length / out)
        packet.time_base, packet.stream = out, self._output
        if self.carried.first is None:
            self.carried.first = ticks * out
        self.carried.payload.update(payload(bytes(packet), self._adts))
        return ticks * out


def payload(data: bytes, adts: bool) -> bytes:
    """What a packet holds, without the ADTS header that AAC has in MPEG streams only (7 or 9 bytes)."""
    if adts and len(data) > 7 and data[0] == 0xFF and data[1] & 0xF0 == 0xF0:
        return data[7 if data[1] & 1 else 9 :]
    return data


def _video_feed(
    track: VideoTrack, timing: Schedule, stream: av.VideoStream
) -> "Iterator[tuple[Fraction, int, Packet[Stream]]]":
    for packet in video_packets(track, timing):
        packet.stream = stream
        assert packet.dts is not None
        yield packet.dts * track.tick, 0, packet


def _feed(
    container: InputContainer, lanes: dict[int, Lane], origin: Fraction, number: int
) -> "Iterator[tuple[Fraction, int, Packet[Stream]]]":
    try:
        for packet in container.demux([container.streams[index] for index in lanes]):
            if packet.size:
                yield lanes[packet.stream_index].retime(packet, origin), number, packet
    except av.error.InvalidDataError:
        # What a damaged source still has is kept; the note says where it ends.
        for lane in lanes.values():
            lane.carried.broken = True


def _attach_cover(output: OutputContainer, source: Path, index: int, limits: Limits) -> None:
    with open_media(source, limits) as container:
        stream = container.streams[index]
        suffix, mime = _COVER_SUFFIX.get(stream.codec_context.name, ("bin", "application/octet-stream"))
        for packet in container.demux(stream):
            if packet.size:
                output.add_attachment(f"cover.{suffix}", mime, bytes(packet))
                return


def _tags(tags: dict[str, str], container: Container) -> dict[str, str]:
    """Tags that the container can hold under their own names; in MP4 and MOV the rest is the comment."""
    if container == "mkv":
        return tags
    named = {key: value for key, value in tags.items() if key.lower() in _MP4_TAGS}
    others = "; ".join(f"{key}={value}" for key, value in tags.items() if key.lower() not in _MP4_TAGS)
    if others:
        named["comment"] = "; ".join(filter(None, (named.get("comment"), others)))
    return named
