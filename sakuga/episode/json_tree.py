"""JSON as a tree with places."""

import json
import re

from sakuga.episode.tree import MAX_DEPTH, MAX_VALUES, Entry, Flaw, Node, Places, plain, twice

_BLANK = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.+-])")
_WORD = re.compile(r"\w+")
_WORDS = {"true": True, "false": False, "null": None}
_STRINGS = json.JSONDecoder()


def read_json(text: str, places: Places) -> tuple[Node | None, list[tuple[int, str]]]:
    """The tree of a text, None where it is blank, and what is wrong with it, each with its place.

    Raises:
        Flaw: it is no JSON, or has more than `MAX_DEPTH` levels.
    """
    reader = _Reader(text, places)
    start = reader.skip(0)
    if start == len(text):
        return None, []
    root = reader.value(start, 0)
    rest = reader.skip(root.end)
    if rest != len(text):
        raise Flaw(rest, "the text goes on after its end; a bracket is closed too early.")
    return root, reader.problems


class _Reader:
    def __init__(self, text: str, places: Places) -> None:
        self.problems: list[tuple[int, str]] = []
        self._text = text
        self._places = places
        self._values = 0

    def skip(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        return found.end() if found else at

    def value(self, at: int, depth: int) -> Node:
        first = self._text[at : at + 1]
        self._values += 1
        if self._values > MAX_VALUES:
            raise Flaw(at, f"there are more than {MAX_VALUES} values.")
        if first in ("{", "["):
            if depth >= MAX_DEPTH:
                raise Flaw(at, f"there are more than {MAX_DEPTH} levels within each other.")
            return self._mapping(at, depth) if first == "{" else self._list(at, depth)
        if first == '"':
            text, end = self._string(at)
            return Node(at, end, '"', text)
        if number := _NUMBER.match(self._text, at):
            return Node(at, number.end(), "", number[0])
        word = _WORD.match(self._text, at)
        if word and word[0] in _WORDS:
            return Node(at, word.end(), "", _WORDS[word[0]])
        raise Flaw(at, self._no_value(at, first))

    def _no_value(self, at: int, first: str) -> str:
        if not first:
            return "the text ends before its last bracket is closed."
        if self._text.startswith(("//", "/*"), at) or first == "#":
            return "JSON has no comments; take this one out, or write the episode as YAML."
        if first in "}]":
            return "there is a `,` with nothing after it; take it out."
        if first == "'":
            return 'text is put in "..." in JSON.'
        return f'`{plain(first)}` cannot begin a value; text is put in "...".'

    def _string(self, at: int) -> tuple[str, int]:
        try:
            text, end = _STRINGS.raw_decode(self._text, at)
            text.encode()
        except json.JSONDecodeError as error:
            if "Unterminated" in error.msg:
                raise Flaw(at, "text that begins here has no closing quote.") from error
            raise Flaw(
                error.pos, "this cannot stand in text; line breaks are `\\n`, a `\\` is `\\\\`."
            ) from error
        except UnicodeEncodeError as error:
            raise Flaw(at, "this text has half of a character (a lone surrogate).") from error
        return text, end

    def _list(self, at: int, depth: int) -> Node:
        items: list[Node] = []
        end = self.skip(at + 1)
        while self._text[end : end + 1] != "]" or items:
            items.append(self.value(end, depth + 1))
            end = self.skip(items[-1].end)
            if self._text[end : end + 1] == "]":
                break
            end = self._after_comma(end, "]")
        return Node(at, end + 1, "[", items)

    def _mapping(self, at: int, depth: int) -> Node:
        entries: list[Entry] = []
        end = self.skip(at + 1)
        while self._text[end : end + 1] != "}" or entries:
            entries.append(self._entry(end, depth))
            end = self.skip(entries[-1].node.end)
            if self._text[end : end + 1] == "}":
                break
            end = self._after_comma(end, "}")
        self.problems += twice(entries, self._places)
        return Node(at, end + 1, "{", tuple(entries))

    def _entry(self, at: int, depth: int) -> Entry:
        if self._text[at : at + 1] != '"':
            first = self._text[at : at + 1]
            plain_key = first.isalpha() or first == "_"
            raise Flaw(at, 'a key is put in "..." in JSON.' if plain_key else self._no_value(at, first))
        key, end = self._string(at)
        colon = self.skip(end)
        if self._text[colon : colon + 1] != ":":
            raise Flaw(colon, f"a `:` is missing after `{plain(key)}`.")
        return Entry(key, at, end, self.value(self.skip(colon + 1), depth + 1))

    def _after_comma(self, at: int, closing: str) -> int:
        if at >= len(self._text):
            raise Flaw(at, self._no_value(at, ""))
        if self._text[at] != ",":
            raise Flaw(at, f"a `,` or `{closing}` is missing before this.")
        return self.skip(at + 1)
