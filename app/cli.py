"""The command line: `sakuga enhance`, `episode`, `probe`, `models`, `farm`, `jobs`, `doctor` and `clean`.

Exit codes: 0 done, 2 bad input or options, 1 failed, 130 interrupted. Of several inputs it is the last of
these that applies to one of them.
Nothing heavy is imported before it is needed: Prefect only once input and options have been accepted.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.episode import episode
from app.farm import farm
from app.models import models
from app.options import Output, Overwrite, Store, read_spec, spec_command
from app.refusal import refuse
from app.runs import jobs
from sakuga import __version__
from sakuga.errors import SakugaError

cli = typer.Typer(
    name="sakuga",
    help="Low-resolution video in, clean high-resolution video out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sakuga {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version


def _enhance(
    inputs: list[Path],
    *,
    output: str | None,
    overwrite: bool,
    recursive: bool,
    store: str | None,
    dispatch: Literal["local", "pool"] | None,
    as_json: bool,
    verbose: bool,
    **fields: Any,  # noqa: ANN401 - the fields of the spec, each of its own type
) -> None:
    """Enhance videos, one after another; results go beside their sources, or where -o says."""
    from app.inputs import check_dispatch, check_options, check_single_output, find_inputs
    from app.jobs import Runner
    from app.progress import JsonReporter, TerminalReporter
    from sakuga.settings import load_settings

    try:
        settings = load_settings()
        spec = read_spec(fields, Path(output or "").suffix)
        check_options(spec, settings, on_pool=dispatch == "pool")
        check_dispatch(dispatch)
        items = find_inputs(inputs, recursive=recursive)
        check_single_output(items, output)
    except SakugaError as error:
        refuse(error, as_json)
    reporter = JsonReporter() if as_json else TerminalReporter(bar=not verbose)
    runner = Runner(
        spec,
        settings,
        reporter,
        output=output,
        store=store,
        overwrite=overwrite,
        verbose=verbose,
        dispatch=dispatch or "local",
    )
    try:
        with reporter:
            code = runner.run(items)
    except SakugaError as error:
        refuse(error, as_json)
    raise typer.Exit(code)


OWN: dict[str, tuple[Any, Any]] = {
    "inputs": (
        Annotated[list[Path], typer.Argument(help="Video files, or folders of them.", metavar="INPUT...")],
        inspect.Parameter.empty,
    ),
    "output": (Output, None),
    "overwrite": (Overwrite, False),
    "recursive": (
        Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders of folders too.")],
        False,
    ),
    "store": (Store, None),
    "dispatch": (
        Annotated[
            Literal["local", "pool"] | None,
            typer.Option("--dispatch", help="Make chunks in this process, or on a work pool of Prefect."),
        ],
        None,
    ),
    "as_json": (
        Annotated[bool, typer.Option("--json", help="Print one JSON object a line for every event.")],
        False,
    ),
    "verbose": (Annotated[bool, typer.Option("-v", "--verbose", help="Show the log.")], False),
}
"""Parameters of `enhance` beside those of the spec, each with its default."""


cli.command("enhance")(spec_command(_enhance, OWN, takes="inputs"))


@cli.command()
def probe(
    file: Annotated[Path, typer.Argument(help="A video file.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    salvage: Annotated[bool, typer.Option("--salvage", help="Accept a truncated file.")] = False,
) -> None:
    """Show what a file holds."""
    from app.show import probe_lines
    from sakuga.settings import load_settings
    from tasks.probing import probe_once

    try:
        path = file.expanduser().absolute()
        probed = probe_once(path, load_settings().limits, salvage=salvage)
    except SakugaError as error:
        refuse(error, as_json)
    if as_json:
        typer.echo(probed.info.model_dump_json(indent=2))
    else:
        typer.echo("\n".join(probe_lines(probed, path.name)))


cli.add_typer(episode, name="episode")
cli.add_typer(models, name="models")
cli.add_typer(farm, name="farm")
cli.add_typer(jobs, name="jobs")


@cli.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what is on this machine, what is missing, and how to get it."""
    from app.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps({finding.name: finding.model_dump(exclude={"name"}) for finding in findings}))
    else:
        for finding in findings:
            verdict = "ok" if finding.ok else "MISSING" if finding.needed else "--"
            typer.echo(f"{verdict:<8}{finding.name}: {finding.found}")
            if finding.advice:
                typer.echo(f"        {finding.advice}")
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)


@cli.command()
def clean(
    everything: Annotated[
        bool, typer.Option("--all", help="Remove every finished chunk that no run is using.")
    ] = False,
    store: Annotated[
        str | None, typer.Option("--store", help="A media store block of Prefect, as type/name.")
    ] = None,
) -> None:
    """Remove finished chunks that are too old or too many, and what killed runs left behind."""
    from app.clean import clean_up

    try:
        for line in clean_up(everything=everything, store=store):
            typer.echo(line)
    except SakugaError as error:
        refuse(error, as_json=False)


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except BrokenPipeError:
        # whoever read our output has gone
        sys.stderr.close()
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
