"""Runs as a server tells of them: which there are, how far they are, and what they said."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.runs_server import Server
from sakuga.errors import OptionError
from sakuga.quality.words import plain
from tasks.shared import TAG

JOBS = ("enhance", "episode")
UPKEEP = ("watch-folder", "cleanup")
UNITS = ("enhance-chunks", "episode-segments")
PAGE = 200
"""The most that a server tells of at once."""

SEARCHED = 5000
"""Runs that a shortened id is looked for in, the newest first."""

SHORT = 8
"""Characters of an id that are shown; also what few runs share."""

LENGTHS = (SHORT, 13, 18, 23)
"""Characters of an id, up to each of its dashes."""

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
ROUTINE = re.compile(
    r"Finished in state |Encountered exception during execution|Engine execution exited with unexpected"
    r"|Beginning flow run |Running \d+ deployment pull|Executing deployment step"
    r"|Deployment step |All deployment steps |Flow run .* submitted to infrastructure"
    r"|Worker '.*' submitting flow run |Downloading flow code from storage at "
)
"""What Prefect says of every run, and what its state says already."""

NOISE = re.compile(
    r"^(Flow run encountered an exception:?|Finished in state \w+\(\)?|)\s*(\w+(Error|Exception): )?"
)


@dataclass(frozen=True)
class Run:
    """A flow run; times are of the server's clock."""

    id: str
    name: str
    state: str
    """Its name, such as `Running` or `AwaitingRetry`."""
    kind: str
    """The kind of state, such as `RUNNING`."""
    message: str
    """Why it is in this state, as one sentence; may be empty."""
    since: datetime | None
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    scheduled: bool
    """Whether a schedule has made it."""
    deployment: str | None
    pool: str | None
    tries: int
    parameters: dict[str, Any]
    tags: tuple[str, ...]

    @property
    def short(self) -> str:
        """The beginning of its id."""
        return self.id[:SHORT]

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.kind in ENDED

    @property
    def seconds(self) -> float | None:
        """How long it has run, in seconds; None where it has not begun."""
        if self.started is None:
            return None
        end = self.ended if self.over and self.ended else datetime.now(UTC)
        return max(0.0, (end - self.started).total_seconds())


def read_run(server: Server, identity: str) -> Run:
    """The run with this id.

    Raises:
        OptionError: there is none.
        FarmError: the server does not answer.
    """
    found = server.get(f"/flow_runs/{identity}")
    if found is None:
        raise OptionError(f"There is no run {identity!r} on {server.url}.")
    return _run(found)


def find_run(server: Server, wanted: str) -> Run:
    """The one run that is meant by an id, the beginning of one, or a name.

    Raises:
        OptionError: there is none, or more than one.
        FarmError: the server does not answer.
    """
    try:
        return read_run(server, str(UUID(wanted)))
    except ValueError:
        pass
    found = list(_pages(server, {"name": {"any_": [wanted]}}, None))
    if not found and re.fullmatch(r"[0-9a-f-]{2,36}", wanted.lower()):
        recent = _pages(server, {}, JOBS + UPKEEP + UNITS)
        found = [run for run in recent if run.id.startswith(wanted.lower())]
    if not found:
        raise OptionError(f"There is no run {wanted!r} on {server.url}; `sakuga jobs list` shows all.")
    if len(found) > 1:
        ids = ", ".join(short_ids(found)[:5])
        raise OptionError(f"{len(found)} runs are meant by {wanted!r}; choose one by its id: {ids}.")
    return found[0]


def short_ids(runs: Sequence[Run]) -> list[str]:
    """The beginning of each id, longer where others begin so too: a schedule's ids begin with their time."""
    ids = [run.id for run in runs]
    shared = Counter(one[:size] for one in ids for size in LENGTHS)
    return [one[: next((size for size in LENGTHS if shared[one[:size]] == 1), len(one))] for one in ids]


def list_runs(server: Server, states: Sequence[str], limit: int, *, upkeep: bool) -> list[Run]:
    """The newest runs first, at most `limit`; what a schedule has yet to start is left out.

    Args:
        server: the server.
        states: only runs whose state has one of these names or kinds; empty is any.
        limit: how many, from 1.
        upkeep: also runs of folder watches and clean-ups.

    Raises:
        FarmError: the server does not answer.
    """
    wanted = {state.lower() for state in states}
    # schedules are filled in days ahead
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    found: list[Run] = []
    for run in _pages(
        server, {"expected_start_time": {"before_": soon}}, JOBS + (UPKEEP if upkeep else ()), limit
    ):
        if run.scheduled and run.state == "Scheduled":
            continue
        if not wanted or {run.state.lower(), run.kind.lower()} & wanted:
            found.append(run)
        if len(found) == limit:
            break
    return found


def units_of(server: Server, job: str) -> list[Run]:
    """Runs that make chunks for a job, the newest first."""
    return list(_pages(server, {"tags": {"all_": [f"{TAG}{job}"]}}, None))


def _pages(
    server: Server, runs: dict[str, Any], flows: Sequence[str] | None, expected: int = PAGE
) -> Iterator[Run]:
    """Runs that pass the filters, the newest first."""
    size = min(PAGE, expected + 50)
    for offset in range(0, SEARCHED, size):
        body: dict[str, Any] = {
            "flow_runs": runs,
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": size,
            "offset": offset,
        }
        if flows:
            body["flows"] = {"name": {"any_": list(flows)}}
        page = server.post("/flow_runs/filter", body)
        yield from map(_run, page)
        if len(page) < size:
            return


def _run(facts: dict[str, Any]) -> Run:
    state = facts.get("state") or {}
    return Run(
        id=facts["id"],
        name=plain(facts["name"]),
        state=state.get("name") or "Unknown",
        kind=state.get("type") or "",
        message=sentence(state.get("message")),
        since=_time(state.get("timestamp")),
        # a schedule makes its runs long before they are due
        created=_time(facts.get("expected_start_time" if facts.get("auto_scheduled") else "created")),
        started=_time(facts.get("start_time")),
        ended=_time(facts.get("end_time")),
        scheduled=bool(facts.get("auto_scheduled")),
        deployment=facts.get("deployment_id"),
        pool=facts.get("work_pool_name"),
        tries=facts.get("run_count") or 0,
        parameters=facts.get("parameters") or {},
        tags=tuple(facts.get("tags") or ()),
    )


def sentence(message: str | None) -> str:
    """What a state says, without what Prefect puts before it, on one line."""
    return NOISE.sub("", plain((message or "").split("\n")[0]), count=1).strip()


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class Artifact:
    """What a run shows."""

    kind: str
    key: str
    data: Any
    description: str


def artifacts_of(server: Server, runs: Sequence[str], *kinds: str) -> dict[str, list[Artifact]]:
    """Artifacts of these kinds by the id of their run; of each key the newest."""
    found: dict[str, dict[str, Artifact]] = {}
    for begin in range(0, len(runs), PAGE):
        for offset in range(0, SEARCHED, PAGE):
            page = server.post(
                "/artifacts/filter",
                {
                    "artifacts": {
                        "flow_run_id": {"any_": list(runs[begin : begin + PAGE])},
                        "type": {"any_": list(kinds)},
                    },
                    "sort": "CREATED_DESC",
                    "limit": PAGE,
                    "offset": offset,
                },
            )
            for facts in page:
                key = facts.get("key") or facts["id"]
                artifact = Artifact(facts["type"], key, facts["data"], facts.get("description") or "")
                found.setdefault(facts["flow_run_id"], {}).setdefault(key, artifact)
            if len(page) < PAGE:
                break
    return {run: list(by_key.values()) for run, by_key in found.items()}


def part_rows(artifacts: Sequence[Artifact]) -> list[dict[str, Any]]:
    """Rows of the table of chunks or segments; none where there is no such table."""
    for artifact in artifacts:
        if artifact.kind == "table" and artifact.key.startswith(("chunks-", "segments-")):
            try:
                rows = json.loads(artifact.data) if isinstance(artifact.data, str) else artifact.data
            except ValueError:
                return []
            return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return []


@dataclass(frozen=True)
class Line:
    """A line of a run's log."""

    id: str
    run: str
    level: int
    time: datetime
    text: str


LEEWAY = timedelta(seconds=20)
"""Lines of several processes arrive out of order, this late at most."""


TAIL = 20
"""Lines that are shown of a run that is under way already."""


class Log:
    """The log of some runs, read on from where it was left."""

    def __init__(self, level: int, *, verbose: bool) -> None:
        """Lines of this level of `logging` and above; `verbose` takes routine and tracebacks too."""
        self._level, self._verbose = level, verbose
        self._last: datetime | None = None
        self._seen: set[str] = set()

    def last(self, server: Server, runs: Sequence[str]) -> list[Line]:
        """The last few lines that there are, the oldest first."""
        lines = self._read(server, runs, "TIMESTAMP_DESC", TAIL, 0)
        return self._noted(lines[::-1])

    def more(self, server: Server, runs: Sequence[str]) -> list[Line]:
        """Lines that were not there before."""
        found: list[Line] = []
        for offset in range(0, SEARCHED, PAGE):
            page = self._read(server, runs, "TIMESTAMP_ASC", PAGE, offset)
            found += page
            if len(page) < PAGE:
                break
        return self._noted(found)

    def _noted(self, lines: list[Line]) -> list[Line]:
        """Those that are new, and say something."""
        new = [line for line in lines if line.id not in self._seen]
        self._seen.update(line.id for line in new)
        self._last = max((line.time for line in new), default=self._last)
        if self._verbose:
            return new
        return [
            replace(line, text=line.text.split("\nTraceback ")[0])
            for line in new
            if not ROUTINE.match(line.text)
        ]

    def _read(self, server: Server, runs: Sequence[str], sort: str, limit: int, offset: int) -> list[Line]:
        wanted: dict[str, Any] = {"flow_run_id": {"any_": list(runs)}, "level": {"ge_": self._level}}
        if self._last:
            wanted["timestamp"] = {"after_": (self._last - LEEWAY).isoformat()}
        page = server.post("/logs/filter", {"logs": wanted, "sort": sort, "limit": limit, "offset": offset})
        return [
            Line(
                facts["id"],
                facts["flow_run_id"],
                facts["level"],
                datetime.fromisoformat(facts["timestamp"]),
                "\n".join(plain(line) for line in facts["message"].splitlines()),
            )
            for facts in page
        ]
