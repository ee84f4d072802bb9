"""Starting, cancelling and retrying runs."""

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.runs_follow import POLL
from app.runs_read import Run, read_run
from app.runs_server import Server
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import FarmError, OptionError
from tasks.names import job_name

PRESETS = "sakuga-enhance-preset"
"""The block type of presets; blocks cannot be imported without Prefect."""

CANCEL_TIMEOUT = 600.0
"""Seconds that a run is waited for to end: Prefect itself gives up on one after 300."""


def cancel(server: Server, run: Run, *, force: bool) -> str:
    """Have a run stop; what becomes of it, in words.

    Args:
        server: where it is.
        run: the run.
        force: write down that it was cancelled without asking anyone, for a run whose machine is gone.

    Raises:
        OptionError: nobody would hear the request.
        FarmError: the server does not answer.
    """
    if run.over:
        return f"{run.short} {run.name}: {run.state} already"
    if force:
        _set_state(
            server, run, {"type": "CANCELLED", "name": "Cancelled", "message": "By force."}, force=True
        )
        return f"{run.short} {run.name}: Cancelled by force"
    if run.deployment is None:
        raise OptionError(
            f"The run {run.short} is a process of its own that no worker can end; press Ctrl-C where it "
            "runs, or pass --force if it is gone."
        )
    state = _set_state(
        server, run, {"type": "CANCELLING", "name": "Cancelling", "message": "Cancelled by sakuga jobs."}
    )
    return f"{run.short} {run.name}: {state}"


def wait_until_over(server: Server, run: Run) -> Run:
    """The run when it has ended.

    Raises:
        FarmError: it has not ended in ten minutes, or the server did not answer for too long.
    """
    deadline = time.monotonic() + CANCEL_TIMEOUT
    while not (now := read_run(server, run.id)).over:
        if time.monotonic() > deadline:
            raise FarmError(f"The run {run.short} is still {now.state}; if its worker is gone, pass --force.")
        time.sleep(POLL)
    return now


def retry(server: Server, run: Run) -> str:
    """Have a run tried again under its id, as the page of Prefect does: what it finished is kept.

    Raises:
        OptionError: it cannot be tried again.
        FarmError: the server does not answer.
    """
    if not run.over:
        raise OptionError(f"The run {run.short} is {run.state}; only one that has ended is tried again.")
    if run.kind == "COMPLETED":
        raise OptionError(f"The run {run.short} is done; `sakuga jobs start` starts another one.")
    if run.deployment is None:
        raise OptionError(
            f"The run {run.short} was no run of a deployment, so no worker can try it again; start it again "
            "where it ran, and it goes on from its finished chunks."
        )
    state = _set_state(
        server, run, {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Tried again by sakuga jobs."}
    )
    return f"{run.short} {run.name}: {state}"


def _set_state(server: Server, run: Run, state: Mapping[str, Any], *, force: bool = False) -> str:
    """Name of the state that the run has then."""
    answer = server.post(f"/flow_runs/{run.id}/set_state", {"state": state, "force": force})
    if answer is None:
        raise OptionError(f"There is no run {run.id!r} on {server.url}.")
    if answer["status"] in ("ABORT", "WAIT") or not answer.get("state"):
        reason = (answer.get("details") or {}).get("reason") or "it gives no reason"
        raise OptionError(f"The server refused for the run {run.short}: {reason.rstrip('.')}.")
    return str(answer["state"]["name"])


def job_parameters(
    source: str,
    spec: EnhanceSpec,
    *,
    output: str | None,
    store: str | None,
    preset: str | None,
    overwrite: bool,
    dispatch: str | None,
) -> dict[str, Any]:
    """Parameters of a run of `enhance`; what was not given is left to the deployment."""
    chosen = spec.model_dump(mode="json", exclude_unset=True)
    parameters: dict[str, Any] = {"source": source if "://" in source else _absolute(source)}
    given = {
        "spec": chosen,
        "output": output and _absolute(output),
        "store": store,
        "preset": preset,
        "dispatch": dispatch,
    }
    parameters |= {name: value for name, value in given.items() if value}
    return parameters | ({"overwrite": True} if overwrite else {})


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def find_deployment(server: Server, name: str) -> dict[str, Any]:
    """A deployment by `flow/name`.

    Raises:
        OptionError: there is none.
        FarmError: the server does not answer.
    """
    parts = [quote(part) for part in name.split("/")]
    proper = len(parts) == 2 and not {"", ".", ".."} & set(parts)
    found = server.get(f"/deployments/name/{'/'.join(parts)}") if proper else None
    if found is None:
        raise OptionError(
            f"There is no deployment {name!r} on {server.url}; `sakuga farm install` makes ours."
        )
    return dict(found)


def start(server: Server, deployment: Mapping[str, Any], parameters: Mapping[str, Any]) -> Run:
    """Start a run of a deployment.

    Raises:
        OptionError: the server refuses the parameters; the message names the field.
        FarmError: the server does not answer.
    """
    body = {
        "parameters": parameters,
        "name": job_name(parameters),
        "state": {"type": "SCHEDULED"},
        # a busy server is asked again
        "idempotency_key": str(uuid.uuid4()),
    }
    made = server.post(f"/deployments/{deployment['id']}/create_flow_run", body)
    if made is None:
        raise OptionError(f"The deployment {deployment['name']!r} is not there any more.")
    return read_run(server, made["id"])


def check_preset(server: Server, name: str) -> None:
    """Refuse a preset that is not there, before a run is started that would fail of it.

    Raises:
        OptionError: there is no such preset.
        FarmError: the server does not answer.
    """
    short = name.removeprefix(f"{PRESETS}/")
    proper = "/" not in short and short not in ("", ".", "..")
    if not proper or not server.get(f"/block_types/slug/{PRESETS}/block_documents/name/{quote(short)}"):
        raise OptionError(f"There is no preset {name!r} on {server.url}; save one or correct the name.")
