"""YAML as a tree with places. Of YAML's many ways only those that an episode needs: no anchors, no tags."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from sakuga.episode.tree import MAX_DEPTH, MAX_VALUES, Entry, Flaw, Node, Places, plain, twice

MAX_MARKS = 1000
"""Aliases, anchors and tags that are told of one by one; a file with more of them is no episode."""

# libyaml's parser where PyYAML has it: the same events, some twenty times faster
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_NOT_YAML = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]",
)
_MARKS = {"*": "an alias", "&": "an anchor", "!": "a tag"}


@dataclass(slots=True)
class _Open:
    """A mapping or list that has begun."""

    start: int
    style: str
    mapping: bool
    entries: list[Entry] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    key: tuple[str, int, int] | None = None

    def take(self, node: Node) -> None:
        if not self.mapping:
            self.items.append(node)
        elif self.key is None:
            raise Flaw(node.start, "a key must be one word; there is a list or several keys in its place.")
        else:
            self.entries.append(Entry(*self.key, node))
            self.key = None

    def closed(self, end: int) -> Node:
        parts = [entry.node for entry in self.entries] if self.mapping else self.items
        if not self.style:
            end = max((part.end for part in parts), default=end)
        return Node(self.start, end, self.style, tuple(self.entries) if self.mapping else self.items)


def read_yaml(text: str, places: Places) -> tuple[Node | None, list[tuple[int, str]]]:
    """The tree of one document, None where there is none, and what is wrong with it, each with its place.

    Anchors and aliases are refused, so that a text is never more than it shows: with them a few lines can
    stand for billions. So are tags, and more than `MAX_DEPTH` levels.

    Raises:
        Flaw: it is no YAML.
    """
    if found := _NOT_YAML.search(text):
        raise Flaw(found.start(), f"there is a character that text does not have (U+{ord(found[0]):04X}).")
    builder = _Builder(places)
    with _explained(text):
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    return builder.root, builder.problems


class _Builder:
    """Makes a tree of events, without calling itself for what is nested."""

    def __init__(self, places: Places) -> None:
        self.root: Node | None = None
        self.problems: list[tuple[int, str]] = []
        self._places = places
        self._open: list[_Open] = []
        self._marks = 0
        self._values = 0

    def take(self, event: Event) -> None:
        start, end = _span(event)
        self._values += isinstance(event, NodeEvent)
        if self._values > MAX_VALUES:
            raise Flaw(start, f"there are more than {MAX_VALUES} keys and values.")
        if isinstance(event, DocumentStartEvent) and self.root is not None:
            raise Flaw(start, "a second document begins here; keep one episode in a file.")
        if isinstance(event, NodeEvent):
            self._refuse_marks(event, start)
        if isinstance(event, AliasEvent):
            self._add(Node(start, end, "", f"*{event.anchor}"))
        elif isinstance(event, ScalarEvent):
            self._scalar(event, start, end)
        elif isinstance(event, CollectionStartEvent):
            if len(self._open) >= MAX_DEPTH:
                raise Flaw(start, f"there are more than {MAX_DEPTH} levels within each other.")
            mapping = isinstance(event, MappingStartEvent)
            bracket = "{" if mapping else "["
            self._open.append(_Open(start, bracket if event.flow_style else "", mapping))
        elif isinstance(event, CollectionEndEvent):
            ended = self._open.pop()
            self.problems += twice(ended.entries, self._places)
            self._add(ended.closed(end))

    def _scalar(self, event: ScalarEvent, start: int, end: int) -> None:
        parent = self._open[-1] if self._open else None
        if parent and parent.mapping and parent.key is None:
            parent.key = (event.value, start, end)
            return
        value: str | bool | None = event.value
        if not event.style and event.value in _NULL:
            value = None
        elif not event.style:
            value = _BOOLEANS.get(event.value, event.value)
        self._add(Node(start, end, event.style or "", value))

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
        elif isinstance(node.value, str) and self._open[-1].mapping and self._open[-1].key is None:
            self._open[-1].key = (node.value, node.start, node.end)
        else:
            self._open[-1].take(node)

    def _refuse_marks(self, event: NodeEvent, start: int) -> None:
        tag = getattr(event, "tag", None)
        mark = "*" if isinstance(event, AliasEvent) else "&" if event.anchor else "!" if tag else ""
        if not mark:
            return
        self._marks += 1
        name = plain(event.anchor or str(tag))
        self.problems.append(
            (
                start,
                f"`{mark}{name.lstrip('!')}` is {_MARKS[mark]} of YAML, which an episode cannot have; "
                f"if it is text, put it in quotes.",
            )
        )
        if self._marks > MAX_MARKS:
            raise Flaw(start, f"there are more than {MAX_MARKS} anchors, aliases and tags.")


def _span(event: Event) -> tuple[int, int]:
    start, end = event.start_mark, event.end_mark
    return start.index if start else 0, end.index if end else 0


@contextmanager
def _explained(text: str) -> Iterator[None]:
    """Turn what the parser says into plain words."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        problem, context = error.problem or "", error.context_mark
        mark = error.problem_mark or context
        at = min(mark.index if mark else 0, len(text))
        column, line = (context.column + 1, context.line + 1) if context else (1, 1)
        unclosed = "end of stream" in problem or "but got '<stream end>'" in problem
        if context and (unclosed or "could not find expected ':'" in problem or at >= len(text)):
            at = min(context.index, len(text))
        # the end of a text is told of where the last of it stands
        at = min(at, max(0, len(text.rstrip()) - 1))
        raise Flaw(at, _words(problem, text, at, (line, column))) from error
    except yaml.YAMLError as error:
        raise Flaw(0, f"it cannot be read as YAML: {plain(str(error))}.") from error


def _words(problem: str, text: str, at: int, opened: tuple[int, int]) -> str:
    opening, column = opened
    line = text[text.rfind("\n", 0, at) + 1 :].split("\n", 1)[0]
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent or text[at : at + 1] == "\t":
        return "the line is indented with a tab; use spaces."
    said = {
        "mapping values are not allowed": "a `:` stands where none can be; put text that has one in quotes, "
        "or check how far the line is indented.",
        "could not find expected ':'": "this is no `key: value`; a `:` or a quote is missing.",
        "did not find expected key": f"this line does not fit those above; keys of the part begin in column "
        f"{column}, and text with quotes or brackets in it is put in quotes as a whole.",
        "did not find expected '-'": f"this line does not fit the list; its items begin with `-` in column "
        f"{column}.",
        "expected <block end>": f"this line does not fit those above; the part begins in column {column}.",
        "block sequence entries are not allowed": "a list cannot begin here; put it on a line of its own.",
        "end of stream": "a quote or bracket that is opened here is never closed.",
        "expected ',' or": f"a `,` is missing before this, or the closing bracket of the one "
        f"on line {opening}.",
        "unknown escape character": "a `\\` in \"...\" begins an escape; write `\\\\`, or use '...'.",
        "cannot start any token": f"{_start(text, at)} cannot begin a value; put the text in quotes.",
        "node content": "a value is missing, or a bracket that is never closed; a `#` after a space "
        "begins a comment, so put colours in quotes.",
        "expected <document start>": "the text goes on after its end; check how far the line is indented.",
    }
    return next(
        (words for key, words in said.items() if key in problem), f"YAML says: {plain(problem, 200)}."
    )


def _start(text: str, at: int) -> str:
    """The character at a place, as a message shows it."""
    return f"`{plain(text[at : at + 1])}`"
