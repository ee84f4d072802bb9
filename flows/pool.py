"""One job over a work pool: its parts are made by runs of another deployment, on machines of the pool.

The job's run hands out units of parts, sees by the store which parts are finished and by Prefect's server
which runs have ended, and hands out again what is missing. No pixel passes through Prefect.
"""

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import Abort
from prefect.logging import get_run_logger

from flows.pool_api import Pool, PoolApi, worker_of
from flows.pool_lease import keep_lease
from flows.pool_own import OwnHands
from flows.pool_room import Room
from flows.pool_trust import Trust
from flows.pool_units import InFlight, adopted, blame, check_own, error_of
from sakuga.settings import Farm
from tasks.cache import Made
from tasks.channel import current_channel
from tasks.chunk import worker_name
from tasks.handover import read_report
from tasks.job import open_store
from tasks.names import unit_name
from tasks.progress import Progress
from tasks.retry import patiently
from tasks.shared import Failure
from tasks.sizing import Speeds, next_unit
from tasks.spread import PoolWork
from tasks.table import PartTable

T = TypeVar("T", bound=Made)

POLL = 0.2
"""Seconds between two looks at whether the job is to stop."""

STORE_PERIOD = 1.0
"""Seconds between two looks at the store."""

API_PERIOD = 5.0
"""Seconds between two questions to Prefect's server."""

TAKEN_PERIOD = 2.0
"""The same while a unit waits to be taken, and the next one waits for that."""

UNHEARD = 30.0
"""Seconds between two answers of the server that are usual on a busy machine."""

PENDING = 60.0
"""Seconds after which a run that a worker took and did not begin counts as lost, at least."""

CANCEL_SECONDS = 8.0
"""Seconds that the end of a job gives to telling its runs to stop; its own worker may kill it after 30."""


def make_on_pool(
    work: PoolWork[T],
    run: str,
    run_count: int,
    missing: Sequence[int],
    farm: Farm,
    progress: Progress,
    table: PartTable,
    watch: Callable[[], None],
) -> dict[int, T]:
    """Have parts of a job made on the work pool of its deployment.

    Args:
        work: what is to be made.
        run: id of the job's flow run: what it shares with workers lies under it.
        run_count: which try of that run this is.
        missing: numbers of the parts, in order.
        farm: settings.
        progress: is told which frames are done.
        table: is told what becomes of parts.
        watch: called a few times a second.

    Returns:
        The finished parts by number.

    Raises:
        Abort: a later try of the same run works already.
        CancelledError: the job was asked to stop.
        FarmError: parts could not be made, or the server does not answer.
        StoreError: the store refuses, or stays away.
        SakugaError: what a worker met that no other attempt can help.
    """
    api = PoolApi(work.deployment, run, farm.patience)
    # refused here, before anything is copied into the store
    pool = api.pool()
    work.share(run)
    dispatcher = Dispatcher(work, run, run_count, missing, farm, api, pool, progress, table)
    with keep_lease(open_store(work.store), run, run_count, farm.lease_seconds):
        try:
            return dispatcher.make(watch)
        except BaseException as error:
            dispatcher.give_up(error)
            raise


class Dispatcher(Generic[T]):
    """Hands out the parts of one job until all are finished."""

    def __init__(
        self,
        work: PoolWork[T],
        run: str,
        run_count: int,
        missing: Sequence[int],
        farm: Farm,
        api: PoolApi,
        pool: Pool,
        progress: Progress,
        table: PartTable,
    ) -> None:
        self._work, self._run, self._run_count, self._farm = work, run, run_count, farm
        self._api, self._pool, self._progress, self._table = api, pool, progress, table
        self._store = open_store(work.store)
        self._left = set(missing)
        self._units: list[InFlight] = []
        self._made: dict[int, T] = {}
        self._trust = Trust(farm.tries)
        self._speeds = Speeds()
        self._count = 0
        self._hands = OwnHands(work)
        one_by_one = work.make_here is not None and pool.type == "process"
        self._room = Room(work.frames, self._speeds, self._trust, one_by_one)
        self._waiting = False
        self._next_look = self._next_question = 0.0
        self._heard = time.monotonic()
        self._logger = get_run_logger()

    def make(self, watch: Callable[[], None]) -> dict[int, T]:
        """Have all parts made; see `make_on_pool`."""
        self._adopt()
        channel = current_channel()
        while self._left:
            channel.check()
            if channel.error:
                raise channel.error
            watch()
            now = time.monotonic()
            if now >= self._next_look:
                self._look_at_store()
                self._next_look = time.monotonic() + STORE_PERIOD
            if now >= self._next_question:
                self._look_at_runs()
                self._pool = self._api.pool()
                self._say_who_is_there()
                self._next_question = time.monotonic() + self._question_period()
            self._hand_out()
            self._work_here()
            time.sleep(POLL)
        for unit in list(self._units):
            self._let_go(unit)
        self._hands.finish()
        return self._made

    def give_up(self, error: BaseException) -> None:
        """Tell all runs to stop, unless a later try goes on with them; finished parts are kept."""
        if self._units and not isinstance(error, Abort):
            self._logger.warning(
                "Runs on the work pool that are told to stop: %d (%s); finished %s are kept",
                len(self._units),
                type(error).__name__,
                self._work.parameter,
            )
            self._api.cancel([unit.run for unit in self._units], CANCEL_SECONDS)
        self._hands.stop()

    def _adopt(self) -> None:
        """Go on with the runs that an earlier try of this job has started and that are alive."""
        wanted = dict.fromkeys(self._left)
        for run in self._api.living():
            unit = adopted(run, wanted, self._work.parameter)
            if unit is None:
                continue
            for part in unit.left:
                # two runs may have the same part when a crash came between; each is followed for its own
                wanted.pop(part, None)
            self._units.append(unit)
            parts = self._work.parameter
            self._logger.info(
                "The run %r works on %d %s already, and goes on", run.name, len(unit.left), parts
            )

    def _look_at_store(self) -> None:
        """Find parts that runs have finished; only the next of each unit is looked for."""
        for unit in list(self._units):
            while unit.left and self._find(unit, unit.left[0]):
                pass
            if not unit.left:
                self._let_go(unit)

    def _let_go(self, unit: InFlight) -> None:
        """Follow a unit no longer, as all its parts are there; where nobody took it nobody is to start it."""
        self._units.remove(unit)
        run = self._api.read([unit.run]).get(unit.run) if unit.waits else None
        if run and run.state and run.state.is_scheduled():
            self._api.cancel([unit.run], CANCEL_SECONDS)

    def _find(self, unit: InFlight, part: int) -> bool:
        record = self._work.find(part)
        if record is None:
            return False
        unit.left.remove(part)
        unit.made += 1
        unit.mark = time.monotonic()
        unit.worker = record.worker or unit.worker
        self._trust.made(record.worker)
        self._note_made(part, record)
        return True

    def _note_made(self, part: int, record: T) -> None:
        self._left.discard(part)
        self._made[part] = record
        self._speeds.note(record.worker, record.frames, record.elapsed)
        self._progress.set(part, record.frames)
        self._table.record(part, record)
        if self._work.told:
            self._work.told(part, record)

    def _look_at_runs(self) -> None:
        """Ask the server what has become of the runs, and take back what ended ones have left."""
        own = UUID(self._run)
        runs = self._api.read([own, *(unit.run for unit in self._units)])
        check_own(runs.get(own), self._run_count)
        # in a time without answers nothing could be seen to go on
        unheard = max(0.0, time.monotonic() - self._heard - UNHEARD)
        self._heard = time.monotonic()
        pending = max(PENDING, self._farm.lease_seconds)
        if self._pool.type != "process":
            # a container may have to be downloaded first
            pending = self._farm.deadline
        for unit in list(self._units):
            run = runs.get(unit.run)
            state = run.state if run else None
            if run:
                unit.worker = worker_of(run) or unit.worker
            if state is None or state.is_final():
                self._end(unit, state)
                continue
            unit.see(state.type, unheard)
            if unit.state == StateType.RUNNING and unit.left:
                self._table.set(unit.left[0], state="running", worker=unit.worker)
            if unit.state in (StateType.RUNNING, StateType.CANCELLING) and self._gave_up(unit):
                self._end(unit, state)
            elif unit.overdue(pending):
                self._drop(unit, state)

    def _gave_up(self, unit: InFlight) -> bool:
        """Whether a run has reported that it stopped, though the server has not heard of it."""
        report = patiently(lambda: read_report(self._store, self._run, unit.name))
        return report is not None and report.end != "done"

    def _drop(self, unit: InFlight, state: "State[object]") -> None:
        """End a run that shows no sign of life; at first gently, as it may live."""
        self._logger.warning("A run on the work pool is %s for too long; it is ended", state.name)
        if unit.state == StateType.RUNNING:
            self._api.set_state(unit.run, State(type=StateType.CANCELLING, name="Cancelling"))
            return
        message = f"It was {state.name} for too long; its worker is gone."
        self._api.set_state(unit.run, State(type=StateType.CRASHED, name="Crashed", message=message))
        self._end(unit, state)

    def _end(self, unit: InFlight, state: "State[object] | None") -> None:
        """Take what an ended run has made; the rest is given out again."""
        for part in list(unit.left):
            self._find(unit, part)
        report = patiently(lambda: read_report(self._store, self._run, unit.name)) if unit.left else None
        if unit.may_show_up(report):
            return
        self._units.remove(unit)
        if not unit.left:
            return
        worker = unit.worker or (report.worker if report else "unknown")
        for part in unit.left:
            self._table.set(part, state="waiting")
        self._trust.came_back(unit.left[0])
        failures = blame(unit, report, state, self._work.what)
        if failures and not unit.made and (rest := self._trust.nothing_made(worker)):
            self._logger.warning("The worker %s fails at everything; it rests for %.0f s", worker, rest)
        for part, failure in failures.items():
            self._note_failure(part, failure, worker)
        how = f"ended {state.name}" if state and state.is_final() else "ended" if report else "is gone"
        self._logger.warning(
            "%s on the worker %s: not made, as the run %s; given out again",
            unit_name(self._work.name, unit.left, self._work.what),
            worker,
            how,
        )

    def _note_failure(self, part: int, failure: Failure, worker: str) -> None:
        what = self._work.what
        workers = self._trust.failed(part, worker, final=not failure.retryable)
        self._table.set(part, state="failed", worker=worker, tries=len(workers))
        if self._trust.gives_up(part, self._pool.workers):
            raise error_of(part, failure, workers, what)
        told = (what.capitalize(), part, worker, failure.message)
        self._logger.warning("%s %d failed on the worker %s: %s", *told)

    def _say_who_is_there(self) -> None:
        """Say once that nobody is there to work, and once that somebody is again."""
        waiting = self._pool.slots == 0
        if waiting == self._waiting:
            return
        self._waiting = waiting
        if waiting and self._pool.paused:
            self._logger.warning("The pool %r is paused; waiting until it goes on", self._pool.name)
        elif waiting:
            self._logger.warning("No worker of the pool %r is online; waiting for one", self._pool.name)
        else:
            self._logger.info("%d workers of the pool %r are online", self._pool.slots, self._pool.name)
        current_channel().emit("stage", stage="waiting" if waiting else self._work.stage)

    def _hand_out(self) -> None:
        """Start runs for workers that have nothing to do, or soon will have nothing."""
        held = {part for unit in self._units for part in unit.left}
        missing = [part for part in sorted(self._left - held) if self._ready(part)]
        busy = sum(self._room.frames_left(unit) for unit in self._units)
        idle, free = self._room.idle(self._pool, self._units), self._room.free(self._pool, self._units)
        while missing and free > 0:
            unit = next_unit(
                missing,
                self._work.frames,
                busy=busy,
                workers=max(1, self._pool.slots),
                together=self._speeds.together(self._pool.workers, self._pool.slots),
                alone=self._speeds.slowest(idle),
                unit_seconds=self._farm.unit_seconds,
                given=self._count,
            )
            missing = missing[len(unit) :]
            wanted = [part for part in unit if not self._is_there(part)]
            if not wanted:
                # more may be there, and each look reads a whole part
                return
            self._start(wanted)
            busy, free = busy + sum(self._work.frames[part] for part in wanted), free - 1

    def _ready(self, part: int) -> bool:
        return part != self._hands.part and self._trust.ready(part)

    def _question_period(self) -> float:
        waits = self._room.one_by_one and any(unit.waits for unit in self._units)
        return TAKEN_PERIOD if waits else API_PERIOD

    def _work_here(self) -> None:
        """Make parts in this run while nobody takes any, where the job can."""
        if self._work.make_here is None:
            return
        if any(unit.state in (StateType.PENDING, StateType.RUNNING) for unit in self._units):
            self._hands.not_alone()
        if ended := self._hands.ended():
            self._take(*ended)
        held = {part for unit in self._units for part in unit.left}
        free, waiting = sorted(self._left - held), sorted(self._left & held, reverse=True)
        self._hands.begin([part for part in [*free, *waiting] if self._trust.ready(part)])

    def _take(self, part: int, outcome: T | Failure) -> None:
        """Take what came of a part that this run has made itself."""
        if isinstance(outcome, Failure):
            self._trust.came_back(part)
            self._note_failure(part, outcome, worker_name())
            return
        for unit in self._units:
            if part in unit.left:
                unit.left.remove(part)
        self._note_made(part, outcome)

    def _is_there(self, part: int) -> bool:
        """Whether another job has made a part meanwhile; it is taken then."""
        record = self._work.find(part)
        if record:
            self._note_made(part, record)
        return record is not None

    def _start(self, parts: list[int]) -> None:
        self._count += 1
        name = f"{self._run_count}-{self._count}"
        rate = self._speeds.mean
        expected = sum(self._work.frames[part] for part in parts) / rate if rate else 0.0
        deadline = max(self._farm.deadline, 5 * expected)
        parameters = {
            "job": self._run,
            self._work.parameter: parts,
            "unit": name,
            "store": self._work.store,
            "deadline": deadline,
        }
        title = unit_name(self._work.name, parts, self._work.what)
        run = self._api.start(parameters, title, f"{self._run}/{name}")
        self._units.append(InFlight(name, run, list(parts), deadline))
        self._next_question = min(self._next_question, time.monotonic() + self._question_period())
        about = f", about {expected:.0f} s of work" if expected else ""
        self._logger.info("Handed out %s%s", title, about)
