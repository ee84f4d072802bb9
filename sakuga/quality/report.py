"""The quality report: what was in, what was done and why, and what was proved."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

from sakuga import ENGINE_VERSION, __version__
from sakuga.enhance.plan import Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.enhance.tally import Counts
from sakuga.media.encode import beside, writing
from sakuga.media.info import Frozen, MediaInfo, Rational
from sakuga.media.notes import Assembly
from sakuga.models.base import EngineUse
from sakuga.quality.check import Check
from sakuga.quality.reasons import reasons
from sakuga.quality.report_text import markdown
from sakuga.quality.words import container_text, plain

SCHEMA_VERSION = 1
"""Raised when a field of the report is renamed, removed or changes its meaning."""

_PACKAGES = "av", "numpy", "opencv-python-headless", "pyanime4k", "torch", "openvino"


class FileFacts(Frozen):
    """What a file holds, as far as a reader of the report asks; `name` has no folder in it."""

    name: str
    size: int
    sha256: str
    container: str
    codec: str
    width: int
    height: int
    sar: Rational
    rotation: int
    frame_rate: Rational
    constant_rate: bool
    frames: int
    duration: Rational
    pix_fmt: str
    matrix: str
    primaries: str
    transfer: str
    full_range: bool
    tagged: bool
    field_order: str


class Stage(Frozen):
    """A stage of the job and how long it took, in seconds of wall time."""

    name: str
    seconds: float


class Work(Counts):
    """How much was computed, and by what.

    `frames` are those of the result. `engines` are what ran the model.
    """

    chunks: int
    cached_chunks: int
    frames: int
    engines: tuple[EngineUse, ...] = ()
    concealed: int = 0
    lost_frames: int = 0


class StreamRow(Frozen):
    """What became of a stream of the source."""

    index: int
    kind: str
    codec: str
    action: str
    why: str = ""


class CheckedReport(Frozen):
    """What the reports of all kinds of jobs have; each is the same in JSON and in markdown."""

    schema_version: int
    passed: bool
    versions: dict[str, str]
    result: FileFacts
    asked: dict[str, Any]
    """Options that differ from their defaults."""
    done: tuple[str, ...]
    """What was done and why, as sentences."""
    stages: tuple[Stage, ...]
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def to_json(self, path: Path) -> Path:
        """Write the report as JSON; the file is there whole or not at all.

        Raises:
            DiskFullError: there is no room.
            EncodeError: it cannot be written.
        """
        part = beside(path)
        try:
            with writing(f"the report {path.name}", path.parent):
                part.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


class JobReport(CheckedReport):
    """Everything worth knowing about a finished job."""

    schema_version: int = SCHEMA_VERSION
    source: FileFacts
    streams: tuple[StreamRow, ...]
    work: Work

    def to_markdown(self) -> str:
        """The report for people; its first line is the verdict."""
        return markdown(self)


def file_facts(name: str, size: int, sha256: str, info: MediaInfo) -> FileFacts:
    """Facts of a probed file; of `name` only the last part is kept."""
    video = info.video
    return FileFacts(
        name=plain(Path(name).name),
        size=size,
        sha256=sha256,
        container=container_text(info.container, name),
        codec=video.codec,
        width=video.width,
        height=video.height,
        sar=video.sar,
        rotation=video.rotation,
        frame_rate=video.frame_rate,
        constant_rate=video.constant_rate,
        frames=video.frames,
        duration=info.duration,
        pix_fmt=video.pix_fmt,
        matrix=video.colour.matrix,
        primaries=video.colour.primaries,
        transfer=video.colour.transfer,
        full_range=video.colour.full_range,
        tagged=video.colour.tagged,
        field_order=video.field_order,
    )


def tool_versions(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Versions of what decides the result, by name; `more` is added, such as the model's digest."""
    versions = {"sakuga": __version__, "engine": str(ENGINE_VERSION), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    versions["ffmpeg (PyAV)"] = str(av.ffmpeg_version_info)
    return versions | dict(more or {})


def build_report(
    *,
    source: FileFacts,
    result: FileFacts,
    info: MediaInfo,
    plan: Plan,
    spec: EnhanceSpec,
    assembly: Assembly,
    work: Work,
    stages: Sequence[Stage],
    checks: Sequence[Check],
    found: str = "",
    chosen: str = "",
    truncated: str | None = None,
    versions: Mapping[str, str] | None = None,
) -> JobReport:
    """Put a report together.

    Args:
        source: facts of the source.
        result: facts of the result.
        info: what the source holds.
        plan: the job's plan.
        spec: what was asked.
        assembly: what became of the source's streams.
        work: how much was computed.
        stages: how long the stages took.
        checks: what was proved.
        found: the sentence of the analysis about cadence and field order.
        chosen: why the model of `spec` was taken, where none was named.
        truncated: where the source ends too early, if it does.
        versions: versions to name besides those of the packages.
    """
    return JobReport(
        passed=bool(checks) and all(check.passed for check in checks),
        versions=tool_versions(versions),
        source=source,
        asked=spec.model_dump(mode="json", exclude_defaults=True, exclude={"model"} if chosen else None),
        done=reasons(info, plan, spec, assembly, work.concealed, work.lost_frames, found, chosen, truncated),
        streams=_rows(info, assembly),
        result=result,
        stages=tuple(stages),
        work=work,
        checks=tuple(checks),
    )


def _rows(info: MediaInfo, assembly: Assembly) -> tuple[StreamRow, ...]:
    notes = sorted((*assembly.kept, *assembly.converted, *assembly.left_out), key=lambda note: note.index)
    rows = [
        StreamRow(index=n.index, kind=n.kind, codec=plain(n.codec or ""), action=n.action, why=plain(n.why))
        for n in notes
    ]
    if not any(row.index == info.video.index for row in rows):
        video = info.video
        rows.append(StreamRow(index=video.index, kind="video", codec=video.codec, action="enhanced"))
    return tuple(sorted(rows, key=lambda row: row.index))
