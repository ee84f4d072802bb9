"""An episode of plain data, with all that is wrong in its values, however one wrong value hides another."""

import re
from typing import Any, NamedTuple, Self

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails

from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.tree import Loc, quoted
from sakuga.episode.wording import meant_key, message_of

MAX_PASSES = 10
"""A value hides the check of its part, which hides that of the part around it; some parts have several."""

MAX_FOUND = 5000
"""Wrong values in one pass after which the rest is not looked at: such a file is no episode."""

_HUGE = re.compile(r"\s*[-+]?[\d_.]+[eE][-+]?[\d_]{4,}\s*")
"""Numbers that would take more memory than there is once they are written out."""

_STAND_IN = "\0 nothing"
_NEEDED: dict[str, Any] = {"clip": _STAND_IN, "file": _STAND_IN, "text": "?", "lines": ["?"]}
_ITEMS: dict[str, dict[str, Any]] = {
    "scenes": {"clip": _STAND_IN},
    "music": {"file": _STAND_IN},
    "effects": {"file": _STAND_IN},
    "titles": {"text": "?"},
    "takes": {"clip": _STAND_IN},
}
_CHECKED_TOGETHER = {
    *("start", "end", "marks", "at", "seconds", "fade", "offset", "fade_in", "fade_out"),
    *("file", "mood", "scene", "mark", "codec", "container"),
}
"""Keys that checks of a whole part read without naming them."""


class _Loose(EpisodeSpec):
    """An episode whose references are not checked yet."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        return self


class Found(NamedTuple):
    """Something wrong at the place `loc`; `part` is what a sentence about it begins with."""

    loc: Loc
    part: Loc
    message: str


def stands_in(name: str) -> bool:
    """Whether the name of a file is not the user's, but one that stands where a wrong one was."""
    return name == _STAND_IN


class Reading:
    """Reads data again and again without what was wrong in it, until nothing is left that hides more.

    Attributes:
        found: everything that is wrong.
        readable: the episode with defaults in place of what is wrong; None where too much is.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.found: list[Found] = []
        self.readable: EpisodeSpec | None = None
        self._wrong: dict[Loc, set[str]] = {}
        self._tame(data, ())
        for _ in range(MAX_PASSES):
            try:
                self.readable = _Loose.model_validate(data)
            except ValidationError as error:
                errors = error.errors(include_url=False)
                # what is in a part goes before the part
                for one in sorted(errors[:MAX_FOUND], key=lambda one: len(one["loc"]), reverse=True):
                    self._take(one, data)
                if len(errors) > MAX_FOUND:
                    break
            else:
                break
        if self.readable:
            self._refer(self.readable)

    def _tame(self, value: Any, loc: Loc) -> Any:  # noqa: ANN401 - mappings, lists and scalars
        """Take out numbers that nobody can mean, before they are computed."""
        if isinstance(value, dict):
            for key in value:
                value[key] = self._tame(value[key], (*loc, key))
        elif isinstance(value, list):
            value[:] = [self._tame(item, (*loc, index)) for index, item in enumerate(value)]
        elif isinstance(value, str) and _HUGE.fullmatch(value):
            self.found.append(Found(loc, loc, f"{quoted(value)} is no number that can be meant."))
            self._spoil(loc)
            return "1"
        return value

    def _take(self, error: ErrorDetails, data: dict[str, Any]) -> None:
        loc, kind, given = tuple(error["loc"]), error["type"], error["input"]
        if kind == "too_short" and given:
            return  # what is in it is wrong, and was told
        if kind == "value_error" and isinstance(given, dict):
            self._take_part(error, loc, given, data)
            return
        part = loc[:-1] if kind in ("missing", "extra_forbidden") else loc
        # what is missing is there under a wrong key, which is told of
        misnamed = kind == "missing" and any(meant_key(key, part) == loc[-1] for key in given)
        if not misnamed:
            self.found.append(Found(loc, part, message_of(error, loc)))
        if kind == "extra_forbidden":
            _part(data, loc[:-1]).pop(str(loc[-1]), None)
        else:
            self._spoil(loc)
            _take_out(data, loc)

    def _take_part(self, error: ErrorDetails, loc: Loc, given: dict[str, Any], data: dict[str, Any]) -> None:
        """A part whose values are right, but do not go together."""
        read = re.findall(r"`(\w+)`", error["msg"])
        named = [key for key in read if key in given]
        # a default in place of what was wrong may contradict the rest, which is not the file's fault
        if not self._wrong.get(loc, set()) & (_CHECKED_TOGETHER | set(read)):
            place = (*loc, named[0]) if named else loc
            self.found.append(Found(place, loc, message_of(error, loc)))
        removable = [key for key in named if key not in _NEEDED]
        for key in removable:
            self._spoil((*loc, key))
            _part(data, loc).pop(key, None)
        if not removable:
            self._spoil(loc)
            _take_out(data, loc)

    def _spoil(self, loc: Loc) -> None:
        if loc:
            self._wrong.setdefault(loc[:-1], set()).add(str(loc[-1]))

    def _is_wrong(self, *loc: str | int) -> bool:
        """Whether what is at a place, or in it, or around it, was taken out."""
        return loc in self._wrong or any(
            str(loc[end]) in self._wrong.get(loc[:end], ()) for end in range(len(loc))
        )

    def _refer(self, spec: EpisodeSpec) -> None:
        """References to scenes and marks, but for those of which either end was wrong itself."""
        names = spec.names
        shown = ", ".join(quoted(name) for name in names[:8]) + (", ..." if len(names) > 8 else "")
        number = {name: index for index, name in enumerate(names)}
        for loc, message in spec.problems().items():
            more = ""
            if loc[-1] == "mood" and self._is_wrong("soundtrack", "library"):
                continue
            if loc[-1] == "scene":
                more = f"; the scenes are {shown}"
            if loc[-1] == "mark":
                scene = spec.soundtrack.effects[int(loc[2])].scene
                if self._is_wrong("scenes", number.get(scene or "", -1), "marks"):
                    continue
            self.found.append(Found(loc, loc, f"{message}{more}."))


def _take_out(data: dict[str, Any], loc: Loc) -> None:
    """Put in place of what is wrong what could be there: nothing, or what a part must have."""
    if not loc:
        return
    parent, key = _part(data, loc[:-1]), loc[-1]
    if isinstance(parent, list) and isinstance(key, int):
        name = next((str(step) for step in reversed(loc[:-1]) if isinstance(step, str)), "")
        kept = {"id": parent[key]["id"]} if isinstance(parent[key], dict) and "id" in parent[key] else {}
        parent[key] = {**_ITEMS[name], **kept} if name in _ITEMS else "1"
    elif isinstance(parent, dict) and key == "scenes":
        parent[key] = [dict(_ITEMS["scenes"])]
    elif isinstance(parent, dict) and key in _NEEDED:
        parent[str(key)] = _NEEDED[str(key)]
    elif isinstance(parent, dict):
        parent.pop(str(key), None)


def _part(data: Any, loc: Loc) -> Any:  # noqa: ANN401 - mappings, lists and scalars
    """The part at a place, None where there is none."""
    for step in loc:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data
