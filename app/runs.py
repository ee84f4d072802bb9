"""The commands of `sakuga jobs`: runs of a Prefect server, from a terminal. None of them imports Prefect."""

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from app.options import Output, Overwrite, Store, read_spec, spec_command
from app.refusal import refuse
from sakuga.errors import OptionError, SakugaError

jobs = typer.Typer(
    help="List, show, follow, cancel, retry and start runs on a Prefect server.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

RunId = Annotated[str, typer.Argument(help="Id of a run, the beginning of one, or its name.", metavar="ID")]
RunIds = Annotated[
    list[str], typer.Argument(help="Ids of runs, their beginnings, or their names.", metavar="ID...")
]
ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Address of the server, as http://HOST:4200/api; else the one Prefect is set to.",
        metavar="URL",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Also show tracebacks, and what the makers of chunks say.")
]


@contextmanager
def _refusing(as_json: bool = False) -> Iterator[None]:
    try:
        yield
    except SakugaError as error:
        refuse(error, as_json)


@jobs.command("list")
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help="Only runs in this state, as `running` or `failed`; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 20,
    everything: Annotated[
        bool, typer.Option("--all", help="Also runs of folder watches and clean-ups.")
    ] = False,
    server: ServerUrl = None,
    as_json: Json = False,
) -> None:
    """List runs, the newest first."""
    from app.runs_server import Server
    from app.runs_show import list_lines, listed, run_facts

    with _refusing(as_json), Server(server) as api:
        found = listed(api, state or [], limit, upkeep=everything)
        if as_json:
            typer.echo(json.dumps([run_facts(run) | {"progress": percent} for run, percent in found]))
        else:
            typer.echo("\n".join(list_lines(found)))


@jobs.command()
def show(run: RunId, server: ServerUrl = None, as_json: Json = False) -> None:
    """Show a run: its state, what was asked for, its chunks, its report, and where its result is."""
    from app.runs_read import find_run
    from app.runs_server import Server
    from app.runs_show import detail_lines, details

    with _refusing(as_json), Server(server) as api:
        found = details(api, find_run(api, run))
        typer.echo(json.dumps(found.facts()) if as_json else "\n".join(detail_lines(found)))


@jobs.command()
def follow(run: RunId, server: ServerUrl = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Watch a run until it ends: a bar, its states, its log. Ctrl-C ends the watching, not the run."""
    from app.runs_read import find_run
    from app.runs_server import Server

    with _refusing(as_json), Server(server) as api:
        found = find_run(api, run)
        _follow(api, found, as_json=as_json, verbose=verbose)


@jobs.command()
def cancel(
    runs: RunIds,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they have ended.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write them down as cancelled; only where their machine is gone."),
    ] = False,
    server: ServerUrl = None,
) -> None:
    """Stop runs; what they have finished is kept."""
    from app.runs_change import cancel as cancel_one
    from app.runs_change import wait_until_over
    from app.runs_follow import interruptible
    from app.runs_read import find_run
    from app.runs_server import Server

    with _refusing(), Server(server) as api:
        found = [find_run(api, run) for run in runs]
        for run in found:
            typer.echo(cancel_one(api, run, force=force))
        if wait:
            api.wait_when_away(_patience(), _say)
            with interruptible(_say):
                for run in found:
                    ended = wait_until_over(api, run)
                    typer.echo(f"{ended.short} {ended.name}: {ended.state}")


@jobs.command()
def retry(runs: RunIds, server: ServerUrl = None) -> None:
    """Have failed runs tried again under their ids; only what is missing is made."""
    from app.runs_change import retry as retry_one
    from app.runs_read import find_run
    from app.runs_server import Server

    with _refusing(), Server(server) as api:
        for run in [find_run(api, run) for run in runs]:
            typer.echo(retry_one(api, run))


def _start(
    sources: list[str],
    *,
    output: str | None,
    overwrite: bool,
    store: str | None,
    enhance_preset: str | None,
    dispatch: str | None,
    deployment: str,
    followed: bool,
    as_json: bool,
    verbose: bool,
    server: str | None,
    **fields: Any,  # noqa: ANN401 - the fields of the spec, each of its own type
) -> None:
    """Start a run for each source; paths are those of the machine that will run it."""
    from pathlib import Path

    from app import runs_change
    from app.runs_server import Server
    from app.runs_show import run_facts

    with _refusing(as_json), Server(server) as api:
        if dispatch not in (None, "local", "pool"):
            raise OptionError(f"--dispatch: must be local or pool; got {dispatch!r}.")
        if followed and len(sources) > 1:
            raise OptionError("--follow watches one run; start several without it.")
        spec = read_spec(fields, Path(output or "").suffix)
        if enhance_preset:
            runs_change.check_preset(api, enhance_preset)
        found = runs_change.find_deployment(api, deployment)
        started = []
        for source in sources:
            parameters = runs_change.job_parameters(
                source,
                spec,
                output=output,
                store=store,
                preset=enhance_preset,
                overwrite=overwrite,
                dispatch=dispatch,
            )
            started.append(runs_change.start(api, found, parameters))
            if not as_json:
                typer.echo(f"{started[-1].id} {started[-1].name}")
        if as_json and not followed:
            typer.echo(json.dumps([run_facts(run) for run in started]))
        if followed:
            _follow(api, started[0], as_json=as_json, verbose=verbose)


def _follow(api: Any, run: Any, *, as_json: bool, verbose: bool) -> None:  # noqa: ANN401 - imported late
    from app.runs_follow import follow as follow_one
    from app.runs_follow import interruptible

    with interruptible(_say):
        code = follow_one(api, run, as_json=as_json, verbose=verbose, patience=_patience())
    raise typer.Exit(code)


def _patience() -> float:
    from sakuga.settings import load_settings

    return load_settings().farm.patience


def _say(text: str) -> None:
    typer.echo(text, err=True)


OWN: dict[str, tuple[Any, Any]] = {
    "sources": (
        Annotated[
            list[str],
            typer.Argument(help="Video files, as the machine sees them that runs this.", metavar="SOURCE..."),
        ],
        inspect.Parameter.empty,
    ),
    "output": (Output, None),
    "overwrite": (Overwrite, False),
    "store": (Store, None),
    "enhance_preset": (
        Annotated[
            str | None,
            typer.Option("--enhance-preset", help="A preset block of Prefect; flags given here win over it."),
        ],
        None,
    ),
    "dispatch": (
        Annotated[
            str | None,
            typer.Option(
                "--dispatch",
                help="`pool`: chunks are made by the workers of a pool; `local`: by the machine itself.",
                metavar="local|pool",
            ),
        ],
        None,
    ),
    "deployment": (
        Annotated[str, typer.Option("--deployment", help="What is started, as flow/name.")],
        "enhance/enhance-video",
    ),
    "followed": (Annotated[bool, typer.Option("--follow", help="Watch the run until it ends.")], False),
    "as_json": (Json, False),
    "verbose": (Verbose, False),
    "server": (ServerUrl, None),
}
"""Parameters of `start` beside those of the spec, each with its default."""


jobs.command("start")(spec_command(_start, OWN, takes="sources"))
