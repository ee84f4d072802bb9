"""The commands of `sakuga episode` about its file: check it, write a first one, replace a scene's clip."""

import json
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.options import Output, Overwrite, Store
from app.refusal import refuse
from sakuga.errors import InputError, OptionError, SakugaError

if TYPE_CHECKING:
    from sakuga.episode.load import EpisodeFile
    from sakuga.episode.review import Review
    from sakuga.episode.tree import Problem
    from sakuga.settings import Settings

FILE = "episode.yaml"
MAX_SHOWN = 100
"""Problems that are shown to a person; `--json` has them all."""

episode = typer.Typer(
    help="Stitch clips into an episode: write its file, check it, make it, replace a scene's clip.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

EpisodeArgument = Annotated[Path, typer.Argument(help="The YAML or JSON file of an episode.", metavar="FILE")]
NamedArgument = Annotated[
    str,
    typer.Argument(
        help="The YAML or JSON file of an episode; with --store also its key or address there.",
        metavar="FILE",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


@episode.callback()
def _group() -> None:
    """Stitch clips into an episode: write its file, check it, make it, replace a scene's clip."""


@episode.command()
def check(
    file: Annotated[str, typer.Argument(help="The YAML or JSON file of an episode.", metavar="FILE")],
    store: Annotated[
        str | None,
        typer.Option("--store", help="Files that are not here are keys in this store; it is not asked."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say everything that is wrong with an episode's file, with the line; else what it will be."""
    from sakuga.episode.load import read_episode
    from sakuga.episode.review import review
    from sakuga.settings import load_settings

    try:
        settings = load_settings()
        read = read_episode(_here(file, store))
        found = _with_enhance(read, review(read, settings.limits, in_store=store is not None), settings)
    except SakugaError as error:
        refuse(error, as_json)
    if as_json:
        typer.echo(json.dumps(_facts(found)))
    else:
        _show(found, file)
    if found.problems:
        raise typer.Exit(OptionError.exit_code)


def _here(file: str, store: str | None) -> Path:
    """The file of an episode where it is one of this machine, or could be.

    Raises:
        OptionError: it can only be in a store.
    """
    from sakuga.episode.places import is_address
    from sakuga.episode.tree import quoted

    path = Path(file).expanduser()
    if is_address(file) or (store is not None and not path.exists()):
        raise OptionError(
            f"There is no file {quoted(file, 200)} on this machine, and `check` asks no store; "
            "check a copy of the file."
        )
    return path


def _with_enhance(file: "EpisodeFile", found: "Review", settings: "Settings") -> "Review":
    """The findings, with what is wrong wherever the clips would be enhanced."""
    if file.readable is None or file.readable.enhance is None:
        return found
    from app.inputs import check_options

    try:
        check_options(file.readable.enhance, settings, on_pool=True)
    except InputError as error:
        problems = (*found.problems, file.problem(("enhance", "model"), str(error)))
        return replace(found, problems=problems, timeline=None)
    return found


def _facts(found: "Review") -> dict[str, Any]:
    facts: dict[str, Any] = {
        "ok": not found.problems,
        "problems": [problem.model_dump() for problem in found.problems],
        "notes": [note.model_dump() for note in found.notes],
    }
    if found.form and found.timeline:
        line = found.timeline
        facts |= {"width": found.form.width, "height": found.form.height, "fps": str(line.rate)}
        facts |= {"frames": line.frames, "seconds": str(line.duration)}
        facts["scenes"] = [
            {"name": placed.name, "start": str(line.time(placed.first)), "frames": placed.frames}
            for placed in line.scenes
        ]
        facts["chapters"] = [chapter.model_dump(mode="json") for chapter in line.chapters]
    return facts


def _show(found: "Review", name: str) -> None:
    from sakuga.episode.tree import plain

    name = plain(name, 200)
    for line in _lines(found.problems, name, ""):
        typer.echo(line, err=True)
    for line in _lines(found.notes, name, "note: "):
        typer.echo(line, err=True)
    count = len(found.problems)
    if count:
        typer.echo(f"{count} problem{'' if count == 1 else 's'}; nothing can be made of it yet.", err=True)
    else:
        typer.echo(f"{name} is in order: {_summary(found)}.")


def _lines(problems: Iterable["Problem"], name: str, kind: str) -> list[str]:
    lines = [
        f"{name}:{one.line}:{one.column}: {kind}{one.where + ': ' if one.where else ''}{one.message}"
        for one in problems
    ]
    if len(lines) <= MAX_SHOWN:
        return lines
    return [*lines[:MAX_SHOWN], f"... and {len(lines) - MAX_SHOWN} more; --json shows all."]


def _summary(found: "Review") -> str:
    """What an episode will be, in a line."""
    line, form = found.timeline, found.form
    if line is None or form is None:
        return "how long it is, is known when all its clips can be looked at"
    rate = f"{float(line.rate):.3f}".rstrip("0").rstrip(".")
    exact = f" ({line.rate})" if line.rate.denominator > 1 else ""
    joins = sum(segment.kind == "transition" for segment in line.segments)
    parts = [
        _count(len(line.scenes), "scene"),
        f"{form.width}x{form.height}",
        f"{rate}{exact} fps",
        f"{_clock(line.duration)} ({_count(line.frames, 'frame')})",
        *([_count(joins, "transition")] if joins else []),
        *([_count(len(line.chapters), "chapter")] if line.chapters else []),
    ]
    return ", ".join(parts)


def _clock(seconds: Fraction) -> str:
    """A length as people read it, to a thousandth of a second."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}:{minutes:02}" if hours else str(minutes)
    return f"{lead}:{rest:02}.{thousandths:03}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


@episode.command()
def new(
    folder: Annotated[Path, typer.Argument(help="A folder of clips.", metavar="FOLDER")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help=f"The file; {FILE} in the folder.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write a first file of an episode: a scene for each clip of a folder, with comments that explain."""
    from app.episode_new import write_first

    _tell(write_first(folder, output, overwrite=overwrite))


def _tell(lines: Iterable[str]) -> None:
    """Print what is done while it is done."""
    try:
        for line in lines:
            typer.echo(line)
    except SakugaError as error:
        refuse(error, as_json=False)


@episode.command()
def retake(
    file: EpisodeArgument,
    scene: Annotated[str, typer.Argument(help="The scene's name, or its number from 1.", metavar="SCENE")],
    clip: Annotated[str, typer.Option("--with", help="The new clip: a file, or an address in a store.")],
    notes: Annotated[str, typer.Option("--notes", help="Why.")] = "",
) -> None:
    """Replace the clip of one scene in an episode's file, and keep the old one in the scene's takes."""
    from app.episode_new import retake_with

    _tell(retake_with(file, scene, clip, notes))


@episode.command()
def make(
    file: NamedArgument,
    output: Output = None,
    store: Store = None,
    dispatch: Annotated[
        Literal["local", "pool"],
        typer.Option(help="Where pictures are made, and clips enhanced: here, or by a farm."),
    ] = "local",
    overwrite: Overwrite = False,
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show Prefect's own log.")] = False,
) -> None:
    """Make an episode; what was made before is kept, so that after a change only what changed is made."""
    from app.episode_make import EpisodeRunner
    from app.inputs import check_dispatch
    from app.progress import JsonReporter, TerminalReporter
    from sakuga.episode.places import is_address
    from sakuga.settings import load_settings

    try:
        check_dispatch(dispatch)
        reporter = (
            JsonReporter(file if is_address(file) else None) if as_json else TerminalReporter(bar=not verbose)
        )
        runner = EpisodeRunner(
            file,
            load_settings(),
            reporter,
            output=output,
            store=store,
            overwrite=overwrite,
            verbose=verbose,
            dispatch=dispatch,
        )
        with reporter:
            code = runner.run([runner.item])
    except SakugaError as error:
        refuse(error, as_json)
    raise typer.Exit(code)
