import json
import re
from pathlib import Path
from typing import Any

from sakuga.episode.load import read_episode
from sakuga.episode.tree import Places
from sakuga.episode.yaml_tree import read_yaml

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "episodes.md"
SCHEMA = ROOT / "docs" / "episode.schema.json"
ELSEWHERE = "EnhanceSpec"
"""Fields of this part are in the tables of docs/options.md."""

Found = dict[str, set[str]]


def example() -> str:
    (held,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(held)


def fields(schema: dict[str, Any]) -> Found:
    """The fields of each part of the schema."""
    parts = {"EpisodeSpec": schema, **schema["$defs"]}
    return {name: set(part["properties"]) for name, part in parts.items() if "properties" in part}


def held(schema: dict[str, Any], name: str, data: dict[str, Any], found: Found) -> Found:
    """The fields that are given in the data, by the part of the schema that they belong to."""
    part = schema if name == "EpisodeSpec" else schema["$defs"][name]
    found.setdefault(name, set()).update(data)
    for key, value in data.items():
        if reference := re.search(r'"#/\$defs/(\w+)"', json.dumps(part["properties"][key])):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    held(schema, reference[1], one, found)
    return found


def read() -> Any:  # noqa: ANN401 - whatever the page holds
    text = example()
    node, problems = read_yaml(text, Places(text))
    assert node is not None
    assert problems == []
    return node.data()


def test_the_example_of_the_page_is_a_right_episode(tmp_path: Path) -> None:
    file = tmp_path / "episode.yaml"
    file.write_text(example())
    assert read_episode(file).spec is not None


def test_the_example_of_the_page_holds_every_field() -> None:
    schema = json.loads(SCHEMA.read_text())
    expected = fields(schema)
    expected.pop(ELSEWHERE)
    found = held(schema, "EpisodeSpec", read(), {})
    lacking = {name: names - found.get(name, set()) for name, names in expected.items()}
    assert {name: names for name, names in lacking.items() if names} == {}


def test_the_example_of_the_page_names_every_choice() -> None:
    schema = json.loads(SCHEMA.read_text())
    schema["$defs"].pop(ELSEWHERE)
    lists = re.findall(r'"enum": (\[[^]]*\])', json.dumps(schema))
    choices = {str(choice) for listed in lists for choice in json.loads(listed)}
    assert len(choices) > 20
    assert choices <= set(re.findall(r"[\w.-]+", example()))
