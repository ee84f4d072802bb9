"""One command-line flag for each field of `EnhanceSpec`, with its description and its default."""

import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import ValidationError

from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError

PANEL = "What the result is to be"

Output = Annotated[str | None, typer.Option("-o", "--output", help="File or folder for the results.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")]
Store = Annotated[str | None, typer.Option("--store", help="A media store block of Prefect, as type/name.")]


def spec_parameters() -> list[inspect.Parameter]:
    """Parameters of a typer command for the fields of the spec; values are text, or None where not given."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[_kind(field.annotation), _option(name)],
        )
        for name, field in EnhanceSpec.model_fields.items()
    ]


def spec_command(
    function: Callable[..., None], own: Mapping[str, tuple[Any, Any]], takes: str
) -> Callable[..., None]:
    """A typer command: its own parameters, and one for each field of the spec.

    Args:
        function: what it does; it has the docstring.
        own: annotation and default of each of its own parameters.
        takes: the one that is given by place; the function gets the others by name.
    """
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in own.items()
    ]
    parameters += spec_parameters()

    def command(**values: Any) -> None:  # noqa: ANN401 - what the flags hold
        function(values.pop(takes), **values)

    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def read_spec(given: Mapping[str, Any], suffix: str = "") -> EnhanceSpec:
    """The spec that the given flags ask for; the others keep their defaults.

    Args:
        given: values by field name; None where the flag was not given.
        suffix: that of an output file, which decides the container where none was given.

    Raises:
        OptionError: a value is not acceptable; the message names its flag.
    """
    values = {name: value for name, value in given.items() if value is not None}
    container = suffix.lower().removeprefix(".")
    if container in get_args(EnhanceSpec.model_fields["container"].annotation):
        values.setdefault("container", container)
    if values.get("codec") == "prores":
        values.setdefault("container", "mov")
    try:
        return EnhanceSpec.model_validate(values)
    except ValidationError as error:
        raise OptionError(_sentence(error)) from error


def flag(name: str) -> str:
    """The command-line flag of a field."""
    return f"--{name.replace('_', '-')}"


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "string_pattern_mismatch":
        name = str(first["loc"][0])
        return f"{flag(name)}: {first['input']!r} cannot be used. {_help(name)}"
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    if not first["loc"]:
        return f"The options do not fit together: {message}."
    return f"{flag(str(first['loc'][0]))}: {message[:1].lower()}{message[1:]}; got {first['input']!r}."


def _kind(annotation: Any) -> Any:  # noqa: ANN401 - a type is anything
    return bool | None if annotation is bool else str | None


def _option(name: str) -> Any:  # noqa: ANN401 - typer names no type for it
    field = EnhanceSpec.model_fields[name]
    default = field.get_default()
    shown = "" if default in (None, False) else f" [default: {default}]"
    text = _help(name) + shown
    if field.annotation is bool:
        return typer.Option(flag(name), help=text, rich_help_panel=PANEL)
    return typer.Option(
        flag(name), help=text, metavar=_metavar(field.annotation), rich_help_panel=PANEL, show_default=False
    )


def _help(name: str) -> str:
    return (EnhanceSpec.model_fields[name].description or "").replace("`", "")


def _metavar(annotation: Any) -> str:  # noqa: ANN401 - a type is anything
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    names = {int: "NUMBER", float: "NUMBER", str: "TEXT"}
    return next((names[kind] for kind in kinds if kind in names), "N[/D]")
