"""Runs as lines for people, and as JSON for programs."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from app.runs_read import Artifact, Run, artifacts_of, list_runs, part_rows, short_ids, units_of
from app.runs_server import Server
from sakuga.quality.words import duration_text, plain

HEADS = ("id", "state", "progress", "age", "took", "name")
PART_HEADS = ("state", "worker", "frames", "frames/s", "tries")


def table_lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they have to be; the last one is as it is."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def age_text(since: datetime | None) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`: how long ago that was."""
    if since is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def progress_of(run: Run, artifacts: Sequence[Artifact]) -> tuple[float | None, str]:
    """Percent, None where nothing is known, and what is said beside it."""
    for artifact in artifacts:
        if artifact.kind == "progress":
            try:
                return min(100.0, max(0.0, float(artifact.data))), plain(artifact.description)
            except (TypeError, ValueError):
                break
    return (100.0 if run.kind == "COMPLETED" else None), ""


def listed(
    server: Server, states: Sequence[str], limit: int, *, upkeep: bool
) -> list[tuple[Run, float | None]]:
    """The newest runs, each with its percent."""
    runs = list_runs(server, states, limit, upkeep=upkeep)
    shown = artifacts_of(server, [run.id for run in runs], "progress")
    return [(run, progress_of(run, shown.get(run.id, []))[0]) for run in runs]


def list_lines(found: Sequence[tuple[Run, float | None]]) -> list[str]:
    """A line for each run."""
    rows = [
        (
            short,
            run.state,
            "" if percent is None else f"{percent:.0f} %",
            age_text(run.created),
            "" if run.seconds is None else duration_text(run.seconds),
            run.name,
        )
        for (run, percent), short in zip(found, short_ids([run for run, _ in found]), strict=True)
    ]
    return table_lines(HEADS, rows) if rows else ["There are no such runs."]


def run_facts(run: Run) -> dict[str, Any]:
    """A run as JSON holds it; times in UTC, seconds of its work."""
    facts = dataclasses.asdict(run) | {"seconds": run.seconds}
    facts |= {name: value.isoformat() for name, value in facts.items() if isinstance(value, datetime)}
    return facts


@dataclasses.dataclass(frozen=True)
class Details:
    """Everything that is shown of one run."""

    run: Run
    artifacts: list[Artifact]
    units: list[Run]
    page: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table of its chunks or segments."""
        return part_rows(self.artifacts)

    @property
    def part(self) -> str:
        """What the lines of the table are about: `chunk` or `segment`."""
        return "segment" if self.rows and "segment" in self.rows[0] else "chunk"

    @property
    def links(self) -> list[tuple[str, str]]:
        """Where its result and the pictures are: what it is, and its place; the result first."""
        links = [
            (artifact.data[1:].split("](")[0], plain(artifact.description))
            for artifact in self.artifacts
            if artifact.kind == "markdown"
            and isinstance(artifact.data, str)
            and artifact.data.startswith("[")
        ]
        return sorted(links, key=lambda link: (link[0] != "Result", link[0]))

    @property
    def report(self) -> str:
        """Its quality report, as markdown; empty where there is none."""
        return next(
            (
                "\n".join(plain(line) for line in str(artifact.data).splitlines())
                for artifact in self.artifacts
                if artifact.kind == "markdown" and artifact.key.startswith("report-")
            ),
            "",
        )

    def facts(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        percent, said = progress_of(self.run, self.artifacts)
        return run_facts(self.run) | {
            "progress": percent,
            "progress_text": said,
            "page": self.page,
            "chunks": self.rows if self.part == "chunk" else [],
            "segments": self.rows if self.part == "segment" else [],
            "links": dict(self.links),
            "report": self.report,
            "units": [run_facts(unit) for unit in self.units],
        }


def details(server: Server, run: Run) -> Details:
    """Everything about a run."""
    artifacts = artifacts_of(server, [run.id], "progress", "table", "markdown").get(run.id, [])
    page = f"{server.page}/runs/flow-run/{run.id}"
    return Details(run, artifacts, units_of(server, run.id), page)


def detail_lines(found: Details) -> Iterator[str]:
    """What is known of a run, the shortest first."""
    run = found.run
    percent, said = progress_of(run, found.artifacts)
    took = "" if run.seconds is None or not run.over else f", took {duration_text(run.seconds)}"
    since = f", {age_text(run.since)} ago" if run.since else ""
    yield run.name
    yield f"  id               {run.id}"
    yield f"  state            {run.state}{since}{took}"
    if run.message:
        yield f"  {'error' if run.kind in ('FAILED', 'CRASHED') else 'because':<16} {run.message}"
    if percent is not None:
        yield f"  progress         {percent:.0f} %{f', {said}' if said else ''}"
    if run.tries > 1:
        yield f"  tries            {run.tries}"
    yield f"  ran by           {f'workers of the pool {run.pool}' if run.pool else 'a process of its own'}"
    for name, value in _parameters(run.parameters):
        yield f"  {name:<16} {value}"
    for text, place in found.links:
        yield f"  {text.lower():<16} {place}"
    yield f"  page             {found.page}"
    if found.rows:
        heads = (found.part, *PART_HEADS)
        rows = [[plain(str(row.get(head, ""))) for head in heads] for row in found.rows]
        yield ""
        yield from (f"  {line}" for line in table_lines(heads, rows))
    if found.units:
        yield ""
        yield from (f"  {line}" for line in list_lines([(unit, None) for unit in found.units]))
    if found.report:
        yield ""
        yield found.report


def _parameters(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What was asked for, without what was left at its default."""
    from sakuga.enhance.spec import EnhanceSpec

    default = EnhanceSpec().model_dump(mode="json")
    for name, value in parameters.items():
        if name == "spec" and isinstance(value, dict):
            chosen = {field: given for field, given in value.items() if given != default.get(field)}
            if chosen:
                yield name, ", ".join(f"{field} {plain(str(given))}" for field, given in chosen.items())
        elif value not in (None, False):
            shown = value.get("uri", value) if isinstance(value, dict) else value
            yield name, plain(shown if isinstance(shown, str) else json.dumps(shown))
