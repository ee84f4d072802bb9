"""The JSON schema of an episode's file, for editors: `python -m app.reference` writes it anew."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sakuga.episode.spec import EpisodeSpec
from sakuga.media.info import Rational

FILE = Path("docs/episode.schema.json")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXACT = TypeAdapter(Rational).json_schema()["pattern"]
CLOCK = r"^\s*([0-9]{1,3}:)?[0-9]{1,4}:[0-9]{1,2}(\.[0-9]{1,9})?\s*$"


def episode_schema() -> str:
    """The schema as text."""
    schema = EpisodeSpec.model_json_schema(mode="validation")
    return json.dumps({"$schema": DIALECT, **_as_written(schema)}, indent=2) + "\n"


def _as_written(part: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Numbers as people write them in a file: 2.5 as well as "5/2" and 1:30."""
    if isinstance(part, list):
        return [_as_written(item) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("pattern") == EXACT:
        shown = {key: value for key, value in part.items() if key not in ("type", "pattern", "examples")}
        texts = [{"type": "string", "pattern": pattern} for pattern in (EXACT, CLOCK)]
        return {**shown, "anyOf": [{"type": "number"}, *texts]}
    if part.get("type") == "string" and all(str(one).isdigit() for one in part.get("enum", ["-"])):
        return {**part, "type": ["string", "integer"], "enum": [*part["enum"], *map(int, part["enum"])]}
    return {key: _as_written(value) for key, value in part.items()}
