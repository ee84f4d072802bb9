"""How a command says that it cannot go on."""

import json
from typing import NoReturn

import typer

from sakuga.errors import SakugaError


def refuse(error: SakugaError, as_json: bool) -> NoReturn:
    """Say what is wrong, as a sentence or as a JSON object, and end with the error's exit code."""
    if as_json:
        facts = {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
        typer.echo(json.dumps({"event": "failed", "time": 0.0, "input": None} | facts))
    else:
        typer.echo(str(error), err=True)
    raise typer.Exit(error.exit_code)
