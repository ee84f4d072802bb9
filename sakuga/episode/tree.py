"""What a text says, with the place of everything in it: what YAML and JSON are read into.

Numbers are kept as they are written, so that 0.1 stays a tenth.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sakuga.media.info import Frozen

MAX_DEPTH = 32
"""Lists and mappings within each other; an episode needs six."""

MAX_VALUES = 200_000
"""Values in a file; two thousand scenes with all that they can have come to half of that."""

MAX_KEYS = 2000
"""Keys of one mapping."""

Loc = tuple[str | int, ...]
"""Keys and numbers that lead from the whole to a part of it."""

_LINE_END = re.compile(r"\r\n?|\n")


class Problem(Frozen):
    """Something wrong in a file: line and column count from 1; `where` names the part, empty is the whole."""

    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        """As one line without the file's name."""
        return f"{self.line}:{self.column}: {self.where + ': ' if self.where else ''}{self.message}"


class Flaw(Exception):  # noqa: N818 - never leaves this package
    """The text cannot be read on from the character `index`."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index, self.message = index, message


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping, written as `text[start:end]`, and its value."""

    key: str
    start: int
    end: int
    node: "Node"


@dataclass(frozen=True, slots=True)
class Node:
    """A value, written as `text[start:end]`: entries of a mapping, items of a list, or a scalar.

    `style` is `{` or `[` for what is in brackets, a quote or `|` or `>` for text, and empty for what is plain
    or indented. What is indented ends with its last scalar.
    """

    start: int
    end: int
    style: str
    value: "tuple[Entry, ...] | list[Node] | str | bool | None"

    def data(self) -> Any:  # noqa: ANN401 - mappings, lists and scalars
        """As dicts, lists, text, booleans and None; of keys that stand twice the first one counts."""
        if isinstance(self.value, tuple):
            found: dict[str, Any] = {}
            for entry in self.value:
                if entry.key not in found:
                    found[entry.key] = entry.node.data()
            return found
        if isinstance(self.value, list):
            return [item.data() for item in self.value]
        return self.value

    def entry(self, key: str) -> Entry | None:
        """The first entry with this key, None where there is none or this is no mapping."""
        entries = self.value if isinstance(self.value, tuple) else ()
        return next((entry for entry in entries if entry.key == key), None)

    def below(self, step: str | int) -> "Node | None":
        """The value under a key, or the item of a list."""
        if isinstance(step, str):
            found = self.entry(step)
            return found.node if found else None
        return self.value[step] if isinstance(self.value, list) and step < len(self.value) else None

    def at(self, loc: Loc) -> "Node | None":
        """The part that a path leads to."""
        node: Node | None = self
        for step in loc:
            node = node.below(step) if node else None
        return node


def start_of(root: Node, loc: Loc) -> int:
    """Where a part begins, by its key where it has one; of what is not there, the nearest around it."""
    node, start = root, root.start
    for step in loc:
        entry = node.entry(step) if isinstance(step, str) else None
        below = node.below(step)
        if below is None:
            break
        node, start = below, entry.start if entry else below.start
    return start


class Places:
    """Lines and columns of a text, as editors count them."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(text))]

    def __call__(self, index: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1


def twice(entries: Sequence[Entry], places: Places) -> list[tuple[int, str]]:
    """Where keys stand that were there before in the same mapping, and what is wrong with them.

    Raises:
        Flaw: there are more than `MAX_KEYS`.
    """
    if len(entries) > MAX_KEYS:
        raise Flaw(entries[MAX_KEYS].start, f"there are more than {MAX_KEYS} keys in one part.")
    seen: dict[str, int] = {}
    found = []
    for entry in entries:
        if entry.key in seen:
            line, _ = places(seen[entry.key])
            found.append((entry.start, f"`{plain(entry.key)}` is already on line {line}; keep one of them."))
        seen.setdefault(entry.key, entry.start)
    return found


def plain(text: str, longest: int = 60) -> str:
    """Text from outside as it may stand in a message: short, and nothing in it steers a terminal."""
    if len(text) <= longest and text.isprintable():
        return text
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def quoted(text: str, longest: int = 60) -> str:
    """Text from outside in quotes, with line breaks and the like as escapes."""
    shown = repr(text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 4]}...{shown[-1]}"
