"""The steps of a watch: what is new, what became of what was started, and what is asked for now."""

import hashlib
import json
import logging
import re
import time
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import FarmError, OptionError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef
from tasks.events import video_arrived
from tasks.ledger import Asked, Ledger
from tasks.names import job_name
from tasks.places import Listing, Place, sidecar_of
from tasks.runs import read_runs

TAG = "sakuga-watch"

ENDED = {
    StateType.FAILED: "failed",
    StateType.CRASHED: "crashed: its process or its machine went away",
    StateType.CANCELLED: "was cancelled",
}

_logger = logging.getLogger("sakuga.watch")


class Request(Frozen):
    """What a watch asks of every video."""

    spec: EnhanceSpec
    output: str | None
    store: str | None
    dispatch: Literal["local", "pool"]
    overwrite: bool
    deployment: str

    def digest(self) -> str:
        """Sixteen hexadecimal digits that differ where what is asked for does.

        Options at their defaults do not count, so a new option of a later version asks for nothing again.
        """
        asked = {
            "spec": self.spec.model_dump(mode="json", exclude_defaults=True),
            "output": self.output,
            "store": self.store,
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


class Followed(Frozen):
    """What became of runs that were started: keys of requests."""

    running: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def follow_runs(place: Place, ledger: Ledger, listing: Listing) -> Followed:
    """Ask for the runs that had not ended well, note what became of them, and write or remove sidecars.

    Raises:
        FarmError: Prefect's server does not answer.
        StoreError: a sidecar cannot be written.
    """
    open_ = {key: asked for key, asked in ledger.asked.items() if asked.run and asked.outcome != "done"}
    runs = read_runs(UUID(asked.run) for asked in open_.values())
    running, done, failed = [], [], []
    for key, asked in open_.items():
        run = runs.get(asked.run)
        kind = run.state_type if run else None
        if kind == StateType.COMPLETED:
            remove_sidecar(place, listing, asked.name)
            ledger.note(key, asked.model_copy(update={"outcome": "done"}))
            done.append(key)
        elif run and kind not in ENDED:
            running.append(key)
        elif asked.outcome == "started":
            name = _present_name(key, asked, ledger, listing)
            if name:
                write_sidecar(place, listing, name, _reason(run, asked), asked)
            ledger.note(key, asked.model_copy(update={"outcome": "failed", "name": name or asked.name}))
            failed.append(key)
    return Followed(running=tuple(running), done=tuple(done), failed=tuple(failed))


def start_run(place: Place, name: str, digest: str, size: int, request: Request, key: str) -> FlowRun:
    """Start a run for a video; where it was started already under the same key, that run is taken.

    Raises:
        OptionError: there is no such deployment, or it refuses the parameters.
        FarmError: Prefect's server does not answer.
    """
    parameters = _parameters(name, place.source(name, digest, size), request)
    try:
        run = run_deployment(
            request.deployment,
            parameters=parameters,
            flow_run_name=job_name(parameters),
            tags=[TAG],
            idempotency_key=key,
            timeout=0,
            as_subflow=False,
        )
    except ObjectNotFound as error:
        raise OptionError(
            f"There is no deployment {request.deployment!r}; install the farm first."
        ) from error
    except PrefectHTTPStatusError as error:
        raise OptionError(f"{request.deployment!r} refuses the run: {_detail(error.response)}.") from error
    except httpx.HTTPError as error:
        raise FarmError(f"Prefect's server does not answer: {error}.") from error
    assert isinstance(run, FlowRun)
    video_arrived(place.location(name), digest, run=str(run.id), run_name=run.name, asked=key)
    return run


def write_sidecar(place: Place, listing: Listing, name: str, reason: str, asked: Asked | None = None) -> None:
    """Say beside a file why it was not done, and what can be done about it."""
    sidecar = sidecar_of(name)
    run = f"Run:     {asked.run_name} ({asked.run})\n" if asked and asked.run else ""
    text = (
        f"{name.rsplit('/', 1)[-1]} was not enhanced.\n\n"
        f"Reason:  {reason}\n{run}"
        f"Time:    {time.strftime('%Y-%m-%d %H:%M:%S %Z')}\n\n"
        "It is not tried again by itself. To try it again, delete this file, or put a better video in its "
        "place.\n"
    )
    place.store.write(place.key(sidecar), text.encode())
    listing.sidecars.add(sidecar)
    _logger.warning("%s is set aside: %s", name, reason)


def remove_sidecar(place: Place, listing: Listing, name: str) -> None:
    """Remove the sidecar of a file, where there is one."""
    sidecar = sidecar_of(name)
    if sidecar in listing.sidecars:
        place.store.remove(place.key(sidecar))
        listing.sidecars.discard(sidecar)


def _parameters(name: str, source: str | MediaRef, request: Request) -> dict[str, Any]:
    folder = name.rpartition("/")[0]
    output = request.output
    if output is not None and folder:
        output = f"{output.rstrip('/')}/{folder}/"
    parameters: dict[str, Any] = {
        "source": source if isinstance(source, str) else source.model_dump(mode="json"),
        "spec": request.spec.model_dump(mode="json", exclude_defaults=True),
        "overwrite": request.overwrite,
        "dispatch": request.dispatch,
    }
    # what was not asked for is left to the deployment
    asked = {"output": output, "store": request.store}
    return parameters | {key: value for key, value in asked.items() if value is not None}


def _present_name(key: str, asked: Asked, ledger: Ledger, listing: Listing) -> str | None:
    """The name under which a content lies here now, None where it is gone."""
    if asked.name in listing.files:
        return asked.name
    digest = key.split(":", 1)[0]
    same = (name for name, file in ledger.files.items() if file.sha256 == digest and name in listing.files)
    return next(same, None)


def _reason(run: FlowRun | None, asked: Asked) -> str:
    if run is None or run.state is None or run.state_type is None:
        return f"The run {asked.run_name!r} is not known to the server any more."
    message = (run.state.message or "").strip()
    message = re.sub(r"^Flow run encountered an exception:?\s*(\w+(Error|Exception): )?", "", message)
    return f"The run {ENDED[run.state_type]}. {message}".strip()


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json().get("detail") or response.reason_phrase).rstrip(".")
    except ValueError:
        return response.reason_phrase
