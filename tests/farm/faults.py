"""What can happen to a farm, each as a function that does it to a job in the middle of its work."""

import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psutil
from prefect.client.schemas.objects import StateType

from tests.farm.farm import Farm
from tests.farm.jobs import Job
from tests.processes import kill, wait_for

GPUS = ("gpu-1", "gpu-2")
PARENTS = "cpu-1"
BUSY_SECONDS = 180.0
"""Until a machine works on a chunk: a child takes ten seconds to start, many more on a busy computer."""

PRESS_SECONDS = 8.0
"""Until a person who sees a crash presses a button."""

ASK_SECONDS = 3.0
"""Between two questions to the server, which is to have time for the job."""


@dataclass(frozen=True)
class Fault:
    """A fault by its name; `chunks` is how many chunks it may interrupt, which are then begun again."""

    name: str
    inject: Callable[[Farm, Job, random.Random], None]
    chunks: int


def busy_machine(farm: Farm, job: Job, draw: random.Random) -> str:
    """A machine of the GPU pool that is in the middle of a chunk of the job."""
    deadline = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < deadline and not job.ended():
        children = {str(run.id) for run in job.living()}
        with suppress(AssertionError):
            return draw.choice(
                wait_for(partial(_busy, farm, children), ASK_SECONDS, "a machine works on a chunk")
            )
    raise AssertionError(f"no machine works on a chunk: {job.story()}")


def _busy(farm: Farm, runs: Collection[str]) -> list[str]:
    names = [name for name in GPUS if farm.runs(name) and farm.in_work(name)]
    return [name for name in names if any(run_of(engine) in runs for engine in farm.engines(name))]


def run_of(engine: psutil.Process) -> str:
    """Id of the flow run of an engine, empty when it has ended."""
    with suppress(psutil.Error, OSError):
        return engine.environ().get("PREFECT__FLOW_RUN_ID", "")
    return ""


def kill_helper(farm: Farm, job: Job, draw: random.Random) -> None:
    """The process that runs the network."""
    machine = busy_machine(farm, job, draw)
    kill(wait_for(lambda: farm.helpers(machine), 10, f"{machine} runs the network")[:1])


def kill_child(farm: Farm, job: Job, draw: random.Random) -> None:
    """The process of the flow that makes chunks."""
    kill(farm.engines(busy_machine(farm, job, draw)))


def kill_worker(farm: Farm, job: Job, draw: random.Random) -> None:
    """The worker, but nothing that it started; it is started again."""
    machine = busy_machine(farm, job, draw)
    farm.kill_program(machine)
    wait_for(lambda: not farm.processes(machine), 30, f"what {machine} started ends", job.story)
    farm.start_worker(machine)


def kill_machine(farm: Farm, job: Job, draw: random.Random) -> None:
    """Everything of a machine at once; it is started again."""
    machine = busy_machine(farm, job, draw)
    farm.kill_machine(machine)
    farm.start_worker(machine)


def kill_parent(farm: Farm, job: Job, draw: random.Random) -> None:
    """The process of the job's own flow; then somebody presses `Retry`."""
    busy_machine(farm, job, draw)
    kill(parent_processes(farm, job))
    state = job.wait(60)
    assert state.is_crashed(), state
    # a worker of Prefect 3.8 dies of a run that comes back before it has let go of it
    time.sleep(PRESS_SECONDS)
    job.retry()
    wait_for(lambda: not (job.run().state or state).is_final(), 30, "the job is tried again")


def parent_processes(farm: Farm, job: Job) -> list[psutil.Process]:
    """The engine of a job's own run."""
    return [engine for engine in farm.engines(PARENTS) if run_of(engine) == str(job.id)]


def cancel_child(farm: Farm, job: Job, draw: random.Random) -> None:
    """Somebody cancels one of the children in the UI."""
    busy_machine(farm, job, draw)
    running = [run for run in job.living() if run.state and run.state.type == StateType.RUNNING]
    if running:
        job.cancel(draw.choice(running).id)


def restart_server(farm: Farm, job: Job, draw: random.Random) -> None:
    """The server is stopped, or killed, and started again after some seconds."""
    busy_machine(farm, job, draw)
    draw.choice([farm.stop, farm.kill_program])("server")
    time.sleep(draw.uniform(1, 8))
    farm.start_server()


def cut_network(farm: Farm, job: Job, draw: random.Random) -> None:
    """The job's own machine does not reach the server for a while."""
    busy_machine(farm, job, draw)
    farm.network.set(draw.choice(["cut", "silent"]))
    time.sleep(draw.uniform(5, 15))
    farm.network.set("forward")


def take_store(farm: Farm, job: Job, draw: random.Random) -> None:
    """The shared folder is gone for a while."""
    busy_machine(farm, job, draw)
    with farm.store_away():
        time.sleep(draw.uniform(5, 20))


FAULTS = (
    Fault("network process killed", kill_helper, 1),
    Fault("child killed", kill_child, 1),
    Fault("worker killed", kill_worker, 1),
    Fault("machine gone", kill_machine, 1),
    Fault("parent killed", kill_parent, 2),
    Fault("child cancelled", cancel_child, 1),
    Fault("server restarted", restart_server, 0),
    Fault("network cut", cut_network, 0),
    Fault("store away", take_store, 0),
)
