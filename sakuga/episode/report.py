"""The report of an episode: what it is made of, what was done, and what was proved."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from sakuga.episode.footage import Footage
from sakuga.episode.mix import Mixed
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Timeline, kind_of
from sakuga.media.info import Frozen, Rational
from sakuga.quality.check import Check
from sakuga.quality.drawing import time_label
from sakuga.quality.report import CheckedReport, FileFacts, Stage, tool_versions
from sakuga.quality.report_text import check_table, facts_rows, table, verdict
from sakuga.quality.words import duration_text, escaped, plain, rate_text, share_text

SCHEMA_VERSION = 1
"""Raised when a field of the report is renamed, removed or changes its meaning."""


class EpisodeWork(Frozen):
    """How much was computed.

    Segments are `encoded`, `copied` from a clip's packets, or `cached`: taken from the cache.
    """

    segments: int
    encoded: int = 0
    copied: int = 0
    cached: int = 0
    encoded_frames: int = 0
    copied_frames: int = 0
    sounds: int = 0
    cached_sounds: int = 0


class SceneRow(Frozen):
    """A scene as it is in the episode; of the clip's path only the name, `start` and `seconds` in seconds."""

    name: str
    title: str = ""
    clip: str
    sha256: str = ""
    start: Rational
    seconds: Rational
    placeholder: bool = False
    takes: int = 0
    """Clips that it had before."""


class EpisodeReport(CheckedReport):
    """Everything worth knowing about a finished episode; `asked` are options of its output."""

    schema_version: int = SCHEMA_VERSION
    title: str
    scenes: tuple[SceneRow, ...]
    work: EpisodeWork

    def to_markdown(self) -> str:
        """The report for people; its first line is the verdict."""
        return _markdown(self)


def build_report(
    *,
    spec: EpisodeSpec,
    timeline: Timeline,
    footages: Sequence[Footage],
    result: FileFacts,
    mixed: Mixed | None,
    work: EpisodeWork,
    stages: Sequence[Stage],
    checks: Sequence[Check],
    notes: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
) -> EpisodeReport:
    """Put a report together.

    Args:
        spec: the episode.
        timeline: when everything is shown.
        footages: the clips of all scenes, in order.
        result: facts of the finished file.
        mixed: its sound.
        work: how much was computed.
        stages: how long the stages took.
        checks: what was proved.
        notes: more sentences, such as on scenes that were skipped.
        versions: versions to name besides those of the packages.
    """
    output = spec.output.model_dump(mode="json", exclude_defaults=True)
    asked = output | spec.model_dump(mode="json", exclude_defaults=True, include={"on_missing", "enhance"})
    return EpisodeReport(
        passed=bool(checks) and all(check.passed for check in checks),
        versions=tool_versions(versions),
        title=spec.title,
        result=result,
        asked=asked,
        done=tuple(_sentences(spec, timeline, footages, mixed, notes)),
        scenes=tuple(_rows(timeline, footages)),
        work=work,
        stages=tuple(stages),
        checks=tuple(checks),
    )


def _rows(timeline: Timeline, footages: Sequence[Footage]) -> list[SceneRow]:
    return [
        SceneRow(
            name=placed.name,
            title=plain(footage.scene.title or ""),
            clip=plain(Path(footage.scene.clip).name),
            sha256="" if footage.placeholder else footage.digest,
            start=timeline.time(placed.first),
            seconds=placed.frames / timeline.rate,
            placeholder=footage.placeholder,
            takes=len(footage.scene.takes),
        )
        for placed, footage in zip(timeline.scenes, footages, strict=True)
    ]


def _sentences(
    spec: EpisodeSpec,
    timeline: Timeline,
    footages: Sequence[Footage],
    mixed: Mixed | None,
    notes: Sequence[str],
) -> list[str]:
    kinds = Counter(kind_of(spec, segment) for segment in timeline.segments if segment.kind == "transition")
    cuts = len(timeline.scenes) - 1 - sum(kinds.values())
    joins = [_count(cuts, "cut")] if cuts else []
    joins += [_count(number, f"{kind} transition") for kind, number in sorted(kinds.items())]
    frames = f"{timeline.frames} frames at {rate_text(timeline.rate)}"
    joined = f", joined by {' and '.join(joins)}" if joins else ""
    sentences = [f"{_count(len(timeline.scenes), 'scene')}{joined}, {frames}."]
    if missing := [
        placed.name for placed, one in zip(timeline.scenes, footages, strict=True) if one.placeholder
    ]:
        stand = "A card stands" if len(missing) == 1 else "Cards stand"
        sentences.append(f"{stand} for what is missing: {', '.join(missing)}.")
    if mixed is None:
        sentences.append("It has no sound.")
    elif mixed.linear:
        sentences.append(f"The mix was brought to its loudness by one gain of {mixed.gain:+.1f} dB.")
    sentences += [*(mixed.notes if mixed else ()), *notes]
    return sentences


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def work_sentences(work: EpisodeWork) -> list[str]:
    """What was computed, and what was not."""
    frames = work.encoded_frames + work.copied_frames
    shares = f" ({share_text(work.copied_frames, frames)} of the frames copied)" if frames else ""
    made = f"{work.encoded} encoded, {work.copied} copied from clips, {work.cached} taken from the cache"
    sentences = [f"{_count(work.segments, 'segment')}: {made}{shares}."]
    if work.sounds:
        fresh = work.sounds - work.cached_sounds
        kept = f"{fresh} computed, {work.cached_sounds} taken from the cache"
        sentences.append(f"Sound of {_count(work.sounds, 'scene')}: {kept}.")
    return sentences


def _markdown(report: EpisodeReport) -> str:
    options = ", ".join(escaped(f"{name} = {value}") for name, value in report.asked.items())
    parts = [
        verdict(report.result.name, report.checks),
        f"Title: {escaped(report.title)}",
        table(("", "result"), facts_rows(report.result)),
        "## What was done",
        "\n".join(f"- {escaped(sentence)}" for sentence in (*report.done, *work_sentences(report.work))),
        "## Checks",
        check_table(report.checks),
        "## Scenes",
        table(
            ("", "scene", "begins", "lasts", "clip", "chapter", "earlier takes"),
            ((str(number), *_cells(row)) for number, row in enumerate(report.scenes, 1)),
        ),
        "## Time",
        table(("stage", "time"), ((escaped(s.name), duration_text(s.seconds)) for s in report.stages)),
        f"Options of the output: {options}" if options else "All options of the output had their defaults.",
        "Versions: " + ", ".join(escaped(f"{name} {value}") for name, value in report.versions.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(row: SceneRow) -> tuple[str, ...]:
    clip = f"{row.clip} (missing)" if row.placeholder else row.clip
    texts = row.name, time_label(row.start), duration_text(row.seconds), clip, row.title
    return *map(escaped, texts), str(row.takes) if row.takes else ""
