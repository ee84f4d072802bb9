"""Music and effects of an episode as files: which mood is which file, and whether all of them are there."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from sakuga.episode.listen import sound_problem
from sakuga.episode.spec import Soundtrack
from sakuga.episode.tree import Flaw, Places, quoted
from sakuga.episode.yaml_tree import read_yaml
from sakuga.errors import OptionError
from sakuga.media.ref import check_key
from sakuga.settings import Limits

MOODS = "moods.yaml"
"""In a library: the name of each file, relative to the folder, with its list of moods."""

MAX_BYTES = 1 << 20

Place = tuple[str | int, ...]


def read_moods(library: Path) -> dict[str, tuple[str, ...]]:
    """The files of each mood, in natural order, as names relative to the library.

    Raises:
        OptionError: there is no `moods.yaml`, or it is not a list of moods for each file of the library.
    """
    page = library / MOODS
    try:
        with page.open("rb") as file:
            head = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise OptionError(f"The music library needs the file {page}: {error.strerror}.") from error
    moods: dict[str, list[str]] = {}
    for name, tags in _listed(head, page).items():
        for tag in _tags(name, tags, page):
            moods.setdefault(tag, []).append(name)
    return {tag: tuple(sorted(set(names), key=_natural)) for tag, names in moods.items()}


def _listed(head: bytes, page: Path) -> dict[str, Any]:
    if len(head) > MAX_BYTES:
        raise OptionError(f"{page} is larger than {MAX_BYTES} bytes; give a list of moods for each file.")
    try:
        text = head.decode("utf-8-sig")
        places = Places(text)
        node, problems = read_yaml(text, places)
    except UnicodeDecodeError as error:
        raise OptionError(f"{page} is not text in UTF-8; save its list of moods as that.") from error
    except Flaw as flaw:
        raise OptionError(
            f"{page}, the list of moods, line {places(flaw.index)[0]}: {flaw.message}"
        ) from flaw
    if problems:
        index, message = problems[0]
        raise OptionError(f"{page}, the list of moods, line {places(index)[0]}: {message}")
    listed = None if node is None else node.data()
    if not isinstance(listed, dict):
        raise OptionError(f"{page} must hold a list of moods for each file, such as `dawn.flac: [calm]`.")
    return listed


def _tags(name: str, tags: object, page: Path) -> list[str]:
    listed = [tags] if isinstance(tags, str) else tags
    if not isinstance(listed, list) or not all(isinstance(tag, str) for tag in listed):
        raise OptionError(f"{page} must hold a list of moods, all of them words, for {quoted(name)}.")
    try:
        check_key(name)
    except OptionError as error:
        raise OptionError(f"{page}: {quoted(name)} is not the name of a file in the library.") from error
    return listed


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Numbers in names by their value: `2.flac` before `10.flac`."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], name


def music_files(soundtrack: Soundtrack) -> tuple[Path, ...]:
    """The file of each cue.

    The first cue of a mood takes the first file that has it, the next one the next, and so on around.

    Raises:
        OptionError: the library or one of its moods is not there.
    """
    files, problems = _music(soundtrack)
    if problems:
        raise OptionError(" ".join(problems.values()))
    return tuple(files.values())


def _music(soundtrack: Soundtrack) -> tuple[dict[int, Path], dict[Place, str]]:
    """The file of each cue that has one, and what is wrong with the others."""
    files: dict[int, Path] = {}
    problems: dict[Place, str] = {}
    moods: dict[str, tuple[str, ...]] = {}
    library = Path(soundtrack.library or "").expanduser()
    if any(cue.mood for cue in soundtrack.music):
        try:
            moods = read_moods(library)
        except OptionError as error:
            problems["soundtrack", "library"] = str(error)
    used: Counter[str] = Counter()
    for number, cue in enumerate(soundtrack.music):
        if cue.file is not None:
            files[number] = Path(cue.file).expanduser()
        elif cue.mood in moods:
            names = moods[cue.mood]
            files[number] = library / names[used[cue.mood] % len(names)]
            used[cue.mood] += 1
        elif ("soundtrack", "library") not in problems:
            there = ", ".join(sorted(moods)) or "none"
            problems["soundtrack", "music", number, "mood"] = (
                f"The music library has nothing of the mood {cue.mood!r}; its moods are: {there}."
            )
    return files, problems


def soundtrack_problems(soundtrack: Soundtrack, limits: Limits) -> dict[Place, str]:
    """What is missing or cannot be heard, each as a sentence by its place in the episode's file."""
    files, problems = _music(soundtrack)
    for number, path in files.items():
        if problem := sound_problem(path, limits):
            what = "file" if soundtrack.music[number].file is not None else "mood"
            problems["soundtrack", "music", number, what] = problem
    for number, effect in enumerate(soundtrack.effects):
        if problem := sound_problem(Path(effect.file).expanduser(), limits):
            problems["soundtrack", "effects", number, "file"] = problem
    return problems
