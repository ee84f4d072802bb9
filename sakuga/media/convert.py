"""Streams that the output's container cannot hold as they are, made into ones that it can."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sakuga.errors import SubprocessError
from sakuga.media.containers import aac_bit_rate
from sakuga.media.ffmpeg import command, ffmpeg_path, run
from sakuga.media.info import AudioStream, MediaInfo, SubtitleStream
from sakuga.settings import Settings

Cancelled = Callable[[], bool] | None

_AAC_RATES = frozenset(
    {7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
)


@dataclass(frozen=True)
class Converter:
    """Runs ffmpeg over a source; its results have the source's clock."""

    source: Path
    info: MediaInfo
    scratch: Path
    settings: Settings
    cancelled: Cancelled = None

    def planned_audio(self, streams: Sequence[AudioStream]) -> dict[int, Path]:
        """Where `audio` puts each stream, by its index."""
        return {stream.index: self.scratch / f"audio-{stream.index}.mp4" for stream in streams}

    def audio(self, streams: Sequence[AudioStream]) -> None:
        """Make AAC of audio streams, in one pass over the source.

        Raises:
            SubprocessError: ffmpeg failed.
            DiskFullError: no room is left in the scratch folder.
            CancelledError: the work was cancelled.
        """
        paths = self.planned_audio(streams)
        if streams:
            self._run([(_aac_options(stream), paths[stream.index]) for stream in streams])

    def subtitles(self, streams: Sequence[SubtitleStream], codec: str) -> dict[int, Path]:
        """Text subtitles in another codec; one that ffmpeg cannot convert is missing from the result."""
        suffix = "mp4" if codec == "mov_text" else "mkv"
        wanted = {
            stream.index: (
                ["-map", f"0:{stream.index}", "-c:s", codec, "-map_chapters", "-1", "-map_metadata", "-1"],
                self.scratch / f"subtitles-{stream.index}.{suffix}",
            )
            for stream in streams
        }
        if not wanted:
            return {}
        try:
            self._run(list(wanted.values()))
        except SubprocessError:
            return self._one_by_one(wanted)
        return {index: path for index, (_, path) in wanted.items()}

    def _one_by_one(self, wanted: dict[int, tuple[list[str], Path]]) -> dict[int, Path]:
        made = {}
        for index, output in wanted.items():
            try:
                self._run([output])
            except SubprocessError:
                output[1].unlink(missing_ok=True)
            else:
                made[index] = output[1]
        return made

    def _run(self, outputs: Sequence[tuple[Sequence[str], Path]]) -> None:
        argv = command(ffmpeg_path(self.settings), [self.source], outputs, input_options=["-copyts"])
        run(argv, timeout=self.settings.subprocess_timeout, cancelled=self.cancelled)


def _aac_options(stream: AudioStream) -> list[str]:
    rate = stream.sample_rate if stream.sample_rate in _AAC_RATES else 48000
    return [
        *("-map", f"0:{stream.index}", "-map_chapters", "-1", "-map_metadata", "-1"),
        # A gap in the source's times becomes silence, so that what follows stays in time.
        *("-af", "aresample=async=1"),
        *("-c:a", "aac", "-ar", str(rate), "-b:a", str(aac_bit_rate(stream.channels, stream.bit_rate))),
        # The start is stored to the sample only if the whole file counts in samples.
        *("-movie_timescale", str(rate)),
    ]
