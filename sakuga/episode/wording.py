"""What is wrong with the values of an episode file, in plain words, and what would be right."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sakuga.enhance.spec import EnhanceSpec
from sakuga.episode.spec import COLOUR, NAME, EpisodeSpec
from sakuga.episode.tree import Loc, plain, quoted

OTHER_WORDS = {
    "path": "clip",
    "source": "clip",
    "video": "clip",
    "src": "clip",
    "file": "clip",
    "clip": "file",
    "audio": "file",
    "in": "start",
    "from": "start",
    "out": "end",
    "to": "end",
    "until": "end",
    "name": "id",
    "duration": "seconds",
    "length": "seconds",
    "type": "kind",
    "volume": "gain",
    "color": "colour",
    "position": "place",
    "time": "at",
    "crf": "quality",
    "rate": "fps",
    "format": "container",
    "lufs": "loudness",
    "channels": "layout",
    "ducking": "duck",
    "chapter": "title",
    "text": "title",
}
"""What other programs call the keys of an episode."""

RATES = ("fps", "speed", "scale")


def where(loc: Loc, names: Sequence[str | None] = ()) -> str:
    """A place in an episode as people say it; `names` are the scenes' own."""
    parts: list[str] = []
    for step in loc:
        if isinstance(step, str):
            parts.append(plain(step))
        elif parts:
            singular = {"scenes": "scene", "titles": "title", "effects": "effect", "lines": "line"}
            part = f"{singular.get(parts[-1], parts[-1].removesuffix('s'))} {step + 1}"
            name = names[step] if parts[-1] == "scenes" and step < len(names) else None
            parts[-1] = f"{part} ({plain(name)})" if name else part
    shown = parts[1:] if parts[:1] == ["soundtrack"] and len(parts) > 1 and parts[1] != "library" else parts
    return ", ".join(shown)


def model_at(loc: Loc) -> type[BaseModel] | None:
    """The model of the part at a place, None where there is none."""
    model: type[BaseModel] | None = EpisodeSpec
    for step in loc:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step) if model else None
        model = next(_models(field.annotation), None) if field else None
    return model


def _field(loc: Loc) -> FieldInfo | None:
    """The field that a place is in: `marks` for the time of a mark."""
    for index in range(len(loc) - 1, -1, -1):
        model = model_at(loc[:index])
        if model and isinstance(name := loc[index], str):
            return model.model_fields.get(name)
    return None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - a type is anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def message_of(error: ErrorDetails, loc: Loc) -> str:
    """One of pydantic's errors as a sentence.

    Args:
        error: what pydantic says.
        loc: the part that it says it of.
    """
    kind, given, limits = error["type"], error["input"], error.get("ctx", {})
    field = _field(loc)
    if kind == "missing":
        return f"`{loc[-1]}` is missing{_meaning(field)}"
    if kind == "extra_forbidden":
        return _unknown(str(loc[-1]), loc)
    if given is None:
        return _empty(field)
    if kind in ("tuple_type", "list_type"):
        return f"must be a list, with a line that begins with `-` for each, not {_shown(given)}."
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"must have keys of its own, such as `{_example(loc, given)}`, not {_shown(given)}."
    if kind == "value_error" and not _unreadable(limits):
        said = str(limits.get("error", error["msg"])).rstrip(".")
        return f"{said}{'' if isinstance(given, dict) else f'; it is {_shown(given)}'}."
    bound = _bound(kind, limits)
    if bound:
        return f"must be {bound}; it is {_shown(given)}."
    return _wrong_kind(kind, given, limits, loc, field)


def _unreadable(limits: Mapping[str, Any]) -> bool:
    """Whether a number could not be read at all."""
    said = str(limits.get("error", ""))
    return "Fraction" in said or "digits" in said


def _empty(field: FieldInfo | None) -> str:
    optional = field is not None and not field.is_required()
    colour = field is not None and any(getattr(rule, "pattern", None) == COLOUR for rule in field.metadata)
    if colour:
        return 'there is nothing here; a `#` begins a comment, so put a colour in quotes: "#ffcc00".'
    return f"there is nothing here; give a value{', or take the line out' if optional else ''}."


def _bound(kind: str, limits: Mapping[str, Any]) -> str:
    known = {
        "greater_than_equal": ("ge", "at least {}"),
        "greater_than": ("gt", "more than {}"),
        "less_than_equal": ("le", "at most {}"),
        "less_than": ("lt", "less than {}"),
        "multiple_of": ("multiple_of", "a multiple of {}"),
    }
    if kind not in known:
        return ""
    name, words = known[kind]
    return words.format(f"{limits[name]:g}")


def _wrong_kind(
    kind: str, given: object, limits: Mapping[str, Any], loc: Loc, field: FieldInfo | None
) -> str:
    shown, annotation = _shown(given), field.annotation if field else None
    if kind == "literal_error":
        choices = [str(choice) for choice in _choices(annotation)]
        near = get_close_matches(str(given), choices, 1)
        return f"must be one of {_listed(choices)}, not {shown}{_perhaps(near)}"
    if kind == "string_pattern_mismatch":
        return f"{shown} {_pattern(str(limits.get('pattern')))}"
    if kind == "string_too_short":
        return "must not be empty."
    if kind == "string_too_long":
        return f"has {len(str(given))} characters; at most {limits['max_length']} are possible."
    if kind == "too_short":
        return "is empty; there must be one at least."
    if kind == "too_long":
        return f"has {limits['actual_length']} of them; at most {limits['max_length']} are possible."
    if kind == "string_type":
        return f"must be text, not {shown}; put text in quotes."
    if kind.startswith("bool"):
        return f"must be true or false, not {shown}."
    if kind.startswith("int"):
        return f"must be a whole number, not {shown}."
    if _is_exact(annotation):
        return f"must be {_number(loc)}, not {shown}."
    if kind.startswith("float"):
        return f"must be a number, not {shown}."
    return f"cannot be {shown}."


def _number(loc: Loc) -> str:
    names = [step for step in loc if isinstance(step, str)]
    if names and names[-1] in RATES:
        return "a number, such as 2, 1.5 or 30000/1001"
    return "a time in seconds, such as 2.5 or 7/2, or as 1:30 or 1:02:03.5"


def _is_exact(annotation: Any) -> bool:  # noqa: ANN401 - a type is anything
    return annotation is Fraction or any(_is_exact(part) for part in get_args(annotation))


def _choices(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - a type is anything
    for part in get_args(annotation):
        if get_origin(annotation) is Literal:
            yield part
        else:
            yield from _choices(part)


def _pattern(pattern: str) -> str:
    if pattern == NAME:
        return (
            "is no name here: letters (a to z), digits, `-`, `_` and `.`, beginning with a letter or digit, "
            "64 characters at most."
        )
    if pattern == COLOUR:
        return 'is no colour; give it as "#rrggbb", such as "#ffcc00" for yellow.'
    return "cannot be used here."


def _unknown(key: str, loc: Loc) -> str:
    """An unknown key, with what was perhaps meant."""
    model = model_at(loc[:-1])
    known = list(model.model_fields) if model else []
    meant = meant_key(key, loc[:-1])
    near = [meant] if meant else []
    elsewhere = [] if near else [place for place, keys in PLACES.items() if key in keys]
    if elsewhere:
        return f"there is no `{plain(key)}` here; it belongs {_listed(elsewhere, code=False)}."
    return f"there is no `{plain(key)}`{_perhaps(near)}{'' if near else f' Possible are {_listed(known)}.'}"


def meant_key(key: str, part: Loc) -> str | None:
    """The key of a part that an unknown one was perhaps meant to be."""
    model = model_at(part)
    known = list(model.model_fields) if model else []
    other = OTHER_WORDS.get(key.lower())
    if other in known:
        return other
    near = get_close_matches(key.lower().replace("-", "_").replace(" ", "_"), known, 1)
    return near[0] if near else None


PLACES = {
    "in a scene": frozenset(
        name
        for model in _models(EpisodeSpec.model_fields["scenes"].annotation)
        for name in model.model_fields
    ),
    "in `soundtrack`": frozenset({"music", "effects", "library"}),
    "in `output`": frozenset(
        name
        for model in _models(EpisodeSpec.model_fields["output"].annotation)
        for name in model.model_fields
    ),
    "at the beginning of a line, beside `scenes`": frozenset(EpisodeSpec.model_fields),
    "in `enhance`": frozenset(EnhanceSpec.model_fields),
}
"""Parts of an episode with their keys, to say where a key belongs that stands in another one."""


def _meaning(field: FieldInfo | None) -> str:
    text = field.description if field else None
    return f": {text[:1].lower()}{text[1:]}" if text else "."


def _example(loc: Loc, given: object) -> str:
    """The key of a part that a value without one was perhaps meant for."""
    model = model_at(loc)
    if model is None:
        return "name: 2.5"
    fields = model.model_fields
    key = next((name for name, field in fields.items() if field.is_required()), next(iter(fields)))
    shown = plain(given) if isinstance(given, str) and given.isprintable() else "..."
    return f"{key}: {shown}"


def _perhaps(near: Sequence[str]) -> str:
    return f"; did you mean `{near[0]}`?" if near else "."


def _listed(names: Sequence[str], *, code: bool = True) -> str:
    shown = [f"`{name}`" for name in names] if code else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}" if shown else ""


def _shown(given: object) -> str:
    if isinstance(given, dict):
        return "several keys"
    if isinstance(given, list | tuple):
        return "a list"
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "true" if given else "false"
    return quoted(str(given))
