"""Last touches to the forms that Prefect's page draws from a flow's parameters."""

from typing import Any

ONE_OF = {"null": "Empty", "string": "Text", "integer": "Number", "number": "Number"}
"""What a choice between types is called; Prefect's page says `None` and `str`."""


def finish_form(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of parameters for people, with groups of options below the fields that they would hide.

    Choices between types are named in plain words. Parameters that a flow does not have are refused with it,
    which would fail only when a run starts.
    """
    fields: dict[str, Any] = schema.get("properties", {})
    in_order = sorted(fields, key=lambda name: ("$ref" in fields[name], fields[name].get("position", 0)))
    placed = {name: {**fields[name], "position": place} for place, name in enumerate(in_order)}
    named = _with_names({**schema, "properties": placed})
    return {**named, "additionalProperties": False} if isinstance(named, dict) else schema


def _with_names(part: object) -> object:
    if isinstance(part, list):
        return [_with_names(one) for one in part]
    if not isinstance(part, dict):
        return part
    done = {key: value if key == "default" else _with_names(value) for key, value in part.items()}
    choices = done.get("anyOf")
    if isinstance(choices, list):
        done["anyOf"] = [
            {"title": ONE_OF[one["type"]], **one} if one.get("type") in ONE_OF else one for one in choices
        ]
    return done
