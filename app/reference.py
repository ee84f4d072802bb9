"""What of docs is made from the code: `python -m app.reference` writes it anew.

That is the tables of docs/options.md, and the schema of an episode's file.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app import episode_schema, progress
from app.cli import cli
from sakuga import errors
from sakuga.enhance.spec import MAX_SCALE, EnhanceSpec
from sakuga.models.base import AUTO
from sakuga.models.registry import model_names
from sakuga.settings import Settings

PAGE = Path("docs/options.md")
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

CHECKED = {
    "model": ", ".join(f"`{name}`" for name in (AUTO, *model_names())),
    "scale": f"1 to {MAX_SCALE}",
    "fps": "1 to 480",
    "preset": "a name or number",
}
"""What fields may hold whose bounds are checked by code, not by their type."""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _values(name: str, field: FieldInfo) -> str:
    """What a field may hold, in words."""
    choices = [str(value) for value in get_args(field.annotation) if not isinstance(value, type)]
    if choices and all(isinstance(value, str) for value in get_args(field.annotation)):
        return ", ".join(f"`{value}`" for value in choices)
    bounds = {
        kind: getattr(rule, kind) for rule in field.metadata for kind in ("ge", "le") if hasattr(rule, kind)
    }
    if field.annotation is bool:
        return "on or off"
    if {"ge", "le"} <= bounds.keys():
        return f"{bounds['ge']} to {bounds['le']}"
    return CHECKED.get(name, "")


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "none"
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return f"`{field.default}`"


def fields() -> str:
    """Every field of an enhancement, with its flag."""
    rows = [
        (
            f"`{name}`",
            f"`--{name.replace('_', '-')}`",
            _values(name, field),
            _default(field),
            field.description or "",
        )
        for name, field in EnhanceSpec.model_fields.items()
    ]
    return table(("Field", "Flag", "Values", "Default", "What it does"), rows)


def _settings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from _settings(type(field.default), f"{prefix}{name.upper()}__")
        else:
            variable = str(field.validation_alias or f"{prefix}{name.upper()}")
            yield f"`{variable}`", _default(field), field.description or ""


def settings() -> str:
    """Every setting, as the environment variable that sets it."""
    home = ("`SAKUGA_HOME`", "`~/.sakuga`", "Folder of everything that is kept between runs.")
    return table(("Variable", "Default", "What it is"), [home, *_settings(Settings, "SAKUGA_")])


def _commands() -> dict[str, Any]:
    """Every command, those of a group by both their names."""
    group: Any = typer.main.get_command(cli)
    found = {}
    for name, command in group.commands.items():
        found[name] = command
        found |= {f"{name} {child}": below for child, below in getattr(command, "commands", {}).items()}
    return found


def flags() -> dict[str, tuple[str, ...]]:
    """The flags of every command."""
    return {
        name: tuple(
            flag
            for option in command.params
            for flag in (*option.opts, *option.secondary_opts)
            if flag.startswith("-")
        )
        for name, command in _commands().items()
    }


def commands() -> str:
    """Every command with its flags."""
    rows = [
        (
            f"`sakuga {name}`",
            ", ".join(f"`{flag}`" for flag in given),
            (_commands()[name].help or "").split("\n\n")[0].replace("\n", " "),
        )
        for name, given in flags().items()
    ]
    return table(("Command", "Flags", "What it does"), rows)


def _tree(error: type[errors.SakugaError]) -> Iterator[type[errors.SakugaError]]:
    yield error
    for child in error.__subclasses__():
        yield from _tree(child)


def failures() -> str:
    """Every kind of failure with its exit code."""
    rows = [
        (
            f"`{error.__name__}`",
            str(error.exit_code),
            "yes" if error.retryable else "no",
            (error.__doc__ or "").split("\n")[0],
        )
        for error in _tree(errors.SakugaError)
        if error is not errors.SakugaError
    ]
    return table(("Error", "Exit code", "Tried again", "Meaning"), rows)


def events() -> str:
    """Every event that `--json` prints, as its module describes them."""
    rows = re.findall(r"^    (\w+) {2,}(.+)$", progress.__doc__ or "", re.MULTILINE)
    return table(("Event", "What it holds besides"), [(f"`{name}`", facts) for name, facts in rows])


TABLES = {
    "fields": fields,
    "settings": settings,
    "commands": commands,
    "failures": failures,
    "events": events,
}


def rewritten(page: str) -> str:
    """The page with its tables made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
    episode_schema.FILE.write_text(episode_schema.episode_schema())
