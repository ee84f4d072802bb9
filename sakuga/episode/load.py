"""From a YAML or JSON file to an episode, with everything that is wrong in it at once, and where."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from stat import S_ISREG

from sakuga.episode.json_tree import read_json
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.tree import Flaw, Loc, Node, Places, Problem, plain, quoted, start_of
from sakuga.episode.values import Reading
from sakuga.episode.wording import where
from sakuga.episode.yaml_tree import read_yaml
from sakuga.errors import OptionError

MAX_BYTES = 4 * 2**20
"""Size of an episode file; one with 2000 scenes has some 200 kB."""

MAX_TOLD = 20
"""Problems that the message of an error lists."""


@dataclass(frozen=True)
class EpisodeFile:
    """A file of an episode as it was read.

    `spec` is None where there are `problems`; `readable` is what can be understood in spite of them, for
    finding more of them: values that are wrong have their default in it, and `values.stands_in` tells names
    that are not there.
    """

    path: Path
    text: str
    root: Node | None
    problems: tuple[Problem, ...]
    readable: EpisodeSpec | None
    spec: EpisodeSpec | None

    @property
    def folder(self) -> Path:
        """Where its relative paths begin."""
        return self.path.parent

    def problem(self, loc: Loc, message: str) -> Problem:
        """Something wrong with the part at a place."""
        start = start_of(self.root, loc) if self.root else 0
        return _at(self._places, start, where(loc, self._names), message)

    @cached_property
    def _places(self) -> Places:
        return Places(self.text)

    @cached_property
    def _names(self) -> list[str | None]:
        return _ids(self.root)


def load_episode(path: Path) -> EpisodeSpec:
    """The episode that a file holds.

    Raises:
        OptionError: it cannot be read, or something in it is wrong; the message has a line for each problem.
    """
    file = read_episode(path)
    if file.spec is None:
        raise OptionError(refusal(file.path, file.problems))
    return file.spec


def refusal(path: Path, problems: tuple[Problem, ...]) -> str:
    """All problems of a file as one text, a line for each."""
    name = plain(str(path), 200)
    told = [f"{name}:{problem}" for problem in problems[:MAX_TOLD]]
    more = len(problems) - len(told)
    return "\n".join([*told, f"... and {more} more."] if more else told)


def read_episode(path: Path) -> EpisodeFile:
    """What a file holds, with everything that is wrong in it; files that it names are not looked at.

    Args:
        path: the file; JSON where its name ends with `.json`, else YAML.

    Raises:
        OptionError: it is missing, no regular file, larger than `MAX_BYTES`, or not UTF-8.
    """
    path = path.expanduser().absolute()
    return parse_episode(_text_of(path), path)


def parse_episode(text: str, path: Path) -> EpisodeFile:
    """What the text of a file holds, with everything that is wrong in it; `path` says of what kind it is."""
    places = Places(text)
    try:
        read = read_json if path.suffix.lower() == ".json" else read_yaml
        root, found = read(text, places)
    except Flaw as flaw:
        line, column = places(min(flaw.index, len(text)))
        problem = Problem(line=line, column=column, where="", message=flaw.message)
        return EpisodeFile(path, text, None, (problem,), None, None)
    file = EpisodeFile(path, text, root, (), None, None)
    if root is None or root.value is None:
        empty = "the file is empty; `sakuga episode new FOLDER` writes one from a folder of clips."
        return EpisodeFile(path, text, root, (file.problem((), empty),), None, None)
    if not isinstance(root.value, tuple):
        shape = "an episode has `key: value` lines, such as `title: ...` and `scenes:` with a list below it."
        return EpisodeFile(path, text, root, (file.problem((), shape),), None, None)
    ids = _ids(root)
    problems = [_at(places, index, "", message) for index, message in found]
    reading = Reading(root.data())
    for one in reading.found:
        problems.append(_at(places, start_of(root, one.loc), where(one.part, ids), one.message))
    ordered = tuple(sorted(dict.fromkeys(problems), key=lambda one: (one.line, one.column)))
    spec = EpisodeSpec.model_validate(root.data()) if not ordered else None
    return EpisodeFile(path, text, root, ordered, reading.readable, spec)


def _at(places: Places, index: int, part: str, message: str) -> Problem:
    line, column = places(index)
    return Problem(line=line, column=column, where=part, message=plain(message, 500))


def _text_of(path: Path) -> str:
    name = quoted(str(path), 200)
    try:
        if not S_ISREG(path.stat().st_mode):
            raise OptionError(f"{name} is not a file; give the YAML or JSON file of an episode.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OptionError(f"{name} cannot be read: {reason}.") from error
    if b"\0" in content[:MAX_BYTES] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise OptionError(f"{name} is no text; give the YAML or JSON file of an episode.")
    if len(content) > MAX_BYTES:
        raise OptionError(f"{name} is larger than {MAX_BYTES} bytes, so it is no file of an episode.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OptionError(f"{name} is not UTF-8 in line {line}; save it as text in UTF-8.") from error


def _ids(root: Node | None) -> list[str | None]:
    """Names that the scenes of a file have."""
    scenes = root.below("scenes") if root else None
    if scenes is None or not isinstance(scenes.value, list):
        return []
    ids = [scene.below("id") for scene in scenes.value]
    return [node.value if node and isinstance(node.value, str) else None for node in ids]
