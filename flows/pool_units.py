"""Units of a job that are with workers now, and what is to be made of those that came to no good end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import Abort

from sakuga import errors
from sakuga.errors import FarmError, SakugaError, SubprocessError
from tasks.channel import current_channel
from tasks.shared import Failure, UnitReport

CANCELLING = 90.0
"""Seconds after which a run that is being cancelled counts as gone: its worker has died."""

VISIBLE = 60.0
"""Seconds until a machine sees what another has written: a network drive may not show a new file sooner."""

GRACE = 60.0
"""Seconds beyond its deadline after which a run is ended by the job: it should have ended by itself."""


@dataclass
class InFlight:
    """Parts that were given to a run; `left` are those that are not known to be finished, in order."""

    name: str
    run: UUID
    left: list[int]
    deadline: float
    adopted: bool = False
    made: int = 0
    """Parts of it that are finished."""

    worker: str | None = None
    state: StateType = StateType.SCHEDULED
    since: float = field(default_factory=time.monotonic)
    """When the run was first seen in this state."""

    mark: float = field(default_factory=time.monotonic)
    """When it began with the part that it is at, as far as is known."""

    ended: float | None = None
    """When the run was first seen to have ended."""

    def may_show_up(self, report: UnitReport | None) -> bool:
        """Whether a part that its ended run has finished may only not be seen from here yet."""
        self.ended = self.ended or time.monotonic()
        said = report is not None and not set(report.done).isdisjoint(self.left)
        return said and time.monotonic() - self.ended < VISIBLE

    @property
    def waits(self) -> bool:
        """Whether no worker has taken it yet."""
        return self.state in (StateType.SCHEDULED, StateType.PAUSED)

    def see(self, state: StateType, unheard: float = 0.0) -> None:
        """The server says that its run is in this state; `unheard` seconds before it said nothing at all."""
        self.since += unheard
        if state != self.state:
            self.state, self.since = state, time.monotonic()
            if state == StateType.RUNNING:
                self.mark = self.since

    def overdue(self, pending: float) -> bool:
        """Whether it has been in its state longer than a living run can be; `pending` seconds to start."""
        limits = {
            StateType.PENDING: pending,
            StateType.RUNNING: self.deadline + GRACE,
            StateType.CANCELLING: CANCELLING,
        }
        return time.monotonic() - self.since > limits.get(self.state, float("inf"))


def check_own(run: FlowRun | None, run_count: int) -> None:
    """Stop when somebody, or an automation, has ended the job's own run on the server.

    Args:
        run: as the server has it, None where it has not said.
        run_count: which try of it this is.

    Raises:
        Abort: a later try of it works already.
        CancelledError: it was cancelled.
        FarmError: it was ended in another way.
    """
    if run and run.run_count > run_count:
        # it was given up while this machine slept; nothing is to be said of it from here
        raise Abort("A later try of this run works already.")
    state = run.state if run else None
    if state is None or not (state.is_final() or state.type == StateType.CANCELLING):
        return
    if state.type in (StateType.CANCELLING, StateType.CANCELLED):
        current_channel().cancel()
        current_channel().check()
    raise FarmError(
        f"This run was ended on Prefect's server while it worked ({state.name}: {state.message}); retry it."
    )


def adopted(run: FlowRun, wanted: Mapping[int, Any], parameter: str = "chunks") -> InFlight | None:
    """A living run of an earlier try of this job, with those of its parts that are `wanted`.

    Args:
        run: the run.
        wanted: parts by number.
        parameter: of the run that has the numbers of its parts.
    """
    parts, name = run.parameters.get(parameter), run.parameters.get("unit")
    if not isinstance(parts, list) or not isinstance(name, str):
        return None
    deadline = run.parameters.get("deadline")
    unit = InFlight(
        name=name,
        run=run.id,
        left=[part for part in parts if part in wanted],
        deadline=float(deadline) if isinstance(deadline, int | float) else float("inf"),
        adopted=True,
    )
    if run.state:
        unit.see(run.state.type)
    return unit


def blame(
    unit: InFlight, report: UnitReport | None, state: State[Any] | None, what: str = "chunk"
) -> dict[int, Failure]:
    """Parts of an ended unit that count as failed by it, and why; others are given out again as they are.

    Where nobody knows which part was the reason it is the first that was not finished.
    """
    if not unit.left:
        return {}
    first = unit.left[0]
    if report is None and state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED):
        # somebody has stopped it, which says nothing of its parts
        return {}
    if report is None:
        said = f"{state.name}: {state.message}" if state else "it is not on the server any more"
        return {
            first: Failure(
                error="FarmError", message=f"its run ended without a report ({said})", retryable=True
            )
        }
    failed = {part: failure for part, failure in report.failed.items() if part in unit.left}
    if failed:
        return failed
    if report.failure:
        return {first: report.failure}
    if report.end == "deadline" and not unit.made:
        message = (
            f"it was not done within {unit.deadline:.0f} s; make {what}s shorter, or set "
            "SAKUGA_FARM__DEADLINE to more seconds"
        )
        # a device that hangs looks the same, and another worker may have a better one
        return {first: Failure(error="FarmError", message=message, retryable=True)}
    if report.end in ("cancelled", "deadline") or (report.end == "orphaned" and unit.adopted):
        return {}
    message = f"its run ended {report.end}"
    if first in report.done:
        message = "its run has finished it, and the store does not have it, or not whole"
    return {first: Failure(error="FarmError", message=message, retryable=True)}


def error_of(part: int, failure: Failure, workers: list[str], what: str = "chunk") -> SakugaError:
    """The error that ends a job, of the same class as the one that the worker met."""
    kind = getattr(errors, failure.error, None)
    where = ", ".join(dict.fromkeys(workers))
    note = (
        f"It happened in {what} {part} on the work pool (worker {where}; {len(workers)} of its runs failed)."
    )
    error: SakugaError
    if isinstance(kind, type) and issubclass(kind, SubprocessError):
        error = kind(failure.message, [], None, "")
    elif failure.error != "FarmError" and isinstance(kind, type) and issubclass(kind, SakugaError):
        error = kind(failure.message)
    else:
        said = failure.message if failure.error == "FarmError" else f"{failure.error}: {failure.message}"
        error = FarmError(
            f"{what.capitalize()} {part} could not be made on the work pool: {said.rstrip('.')}."
        )
    error.add_note(note)
    return error
