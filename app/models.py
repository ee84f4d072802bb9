"""The commands of `sakuga models`: which there are, and their weights. None of them needs PyTorch."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from app.refusal import refuse
from sakuga.errors import OptionError, SakugaError

models = typer.Typer(
    help="List models, and download, verify or remove their weights.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)

Names = Annotated[list[str] | None, typer.Argument(help="Models, as `sakuga models` lists them.")]
Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


@models.callback()
def _list(context: typer.Context, as_json: Json = False) -> None:
    """List models, and download, verify or remove their weights."""
    if context.invoked_subcommand is None:
        _show(as_json)


@models.command("list")
def _list_too(as_json: Json = False) -> None:
    """List models: what they are good for, and whether their weights are here."""
    _show(as_json)


def _show(as_json: bool) -> None:
    from app.models_here import listing, listing_lines
    from sakuga.settings import load_settings

    try:
        settings = load_settings()
        found = listing(settings)
    except SakugaError as error:
        refuse(error, as_json)
    if as_json:
        typer.echo(json.dumps({model.name: model.model_dump(exclude={"name"}) for model in found}))
    else:
        typer.echo("\n".join(listing_lines(found, settings)))


@models.command()
def fetch(names: Names = None, everything: All = False, as_json: Json = False) -> None:
    """Download weights that are not here, and those that are damaged; stopped downloads go on."""
    from app.models_fetch import fetch_all, teller
    from app.models_here import chosen
    from sakuga.settings import load_settings

    try:
        settings = load_settings()
        cards = chosen(names or [], everything=everything)
    except SakugaError as error:
        refuse(error, as_json)
    with teller(as_json) as told:
        code = fetch_all(cards, settings, told)
    raise typer.Exit(code)


@models.command()
def verify(names: Names = None, as_json: Json = False) -> None:
    """Read all weights that are here, or those named, and compare them with what was published."""
    from app.models_here import chosen
    from sakuga.models.weights import Verdict, verify_weights
    from sakuga.settings import load_settings

    try:
        settings = load_settings()
        verdicts = {
            card.name: verify_weights(card, settings) for card in chosen(names or [], everything=not names)
        }
    except SakugaError as error:
        refuse(error, as_json)

    def wrong(verdict: Verdict) -> bool:
        return verdict.state == "damaged" or (verdict.state == "absent" and bool(names))

    if as_json:
        typer.echo(json.dumps({name: [_facts(verdict) for verdict in of] for name, of in verdicts.items()}))
    else:
        for line in _verify_lines(verdicts):
            typer.echo(line)
    if any(wrong(verdict) for of in verdicts.values() for verdict in of):
        raise typer.Exit(1)


def _facts(verdict: Any) -> dict[str, Any]:  # noqa: ANN401 - its type is imported when it is needed
    return {
        "file": verdict.file.name,
        "path": str(verdict.path),
        "state": verdict.state,
        "expected": verdict.file.sha256,
        "found": verdict.found,
        "reason": verdict.reason,
    }


def _verify_lines(verdicts: dict[str, Any]) -> Iterator[str]:
    for name, of in verdicts.items():
        if not of:
            yield f"{'built in':<10}{name}"
        for verdict in of:
            yield f"{verdict.state:<10}{name}: {verdict.path}"
            if verdict.state == "damaged":
                found = f"sha256 {verdict.found} in place of {verdict.file.sha256}"
                yield f"          {verdict.reason or found}"
                yield f"          Run: sakuga models fetch {name}."


@models.command()
def remove(names: Names = None, everything: All = False) -> None:
    """Remove weights, and what is left of stopped downloads."""
    from app.models_here import chosen
    from sakuga.models.weights import remove_weights
    from sakuga.settings import load_settings

    try:
        settings = load_settings()
        found = False
        for card in chosen(names or [], everything=everything):
            if not card.weights and not everything:
                raise OptionError(f"The model {card.name} has no weights of its own to remove.")
            gone = remove_weights(card, settings)
            found = found or bool(gone)
            for path in gone:
                typer.echo(f"removed   {path}")
            if not gone and not everything:
                typer.echo(f"absent    {card.name}")
        if everything and not found:
            typer.echo(f"There are no weights in {settings.models_root}.")
    except SakugaError as error:
        refuse(error, as_json=False)
