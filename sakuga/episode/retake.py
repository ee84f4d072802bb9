"""Another clip for a scene: changed in the text of the file, where everything else stays as it is."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from sakuga.episode.load import EpisodeFile, parse_episode, read_episode, refusal
from sakuga.episode.quoting import in_quotes, scalar
from sakuga.episode.spec import EpisodeSpec, Take
from sakuga.episode.tree import Entry, Node, plain, quoted
from sakuga.errors import ContractError, OptionError
from sakuga.media.encode import beside, writing


class Retake(NamedTuple):
    """A scene's clip was replaced: its number, counted from 0, its name, and the clips."""

    scene: int
    name: str
    old: str
    new: str


class _Edit(NamedTuple):
    """`text[start:end]` becomes `words`."""

    start: int
    end: int
    words: str


def scene_number(spec: EpisodeSpec, scene: str) -> int:
    """The number, from 0, of a scene that a person means: by its name, else by its number from 1.

    Raises:
        OptionError: there is no such scene.
    """
    names = spec.names
    if scene in names:
        return names.index(scene)
    if scene.isdecimal() and 1 <= int(scene[:9]) <= len(names):
        return int(scene) - 1
    near = get_close_matches(scene, names, 1)
    if near:
        raise OptionError(f"The episode has no scene {quoted(scene)}; did you mean {quoted(near[0])}?")
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise OptionError(f"The episode has no scene {quoted(scene)}; its scenes are {shown}.")


def replaced(spec: EpisodeSpec, scene: int, clip: str, notes: str = "") -> EpisodeSpec:
    """The episode with another clip in a scene, counted from 0, and the old one last in its takes.

    Raises:
        OptionError: it is the clip that the scene has.
    """
    old = spec.scenes[scene]
    if old.clip == clip:
        raise OptionError(f"The scene {spec.names[scene]!r} has the clip {quoted(clip)} already.")
    takes = (*old.takes, Take(clip=old.clip, notes=notes))
    new = old.model_copy(update={"clip": clip, "takes": takes})
    return spec.model_copy(update={"scenes": (*spec.scenes[:scene], new, *spec.scenes[scene + 1 :])})


def retake_file(path: Path, scene: str, clip: str, notes: str = "") -> Retake:
    """Replace the clip of a scene in an episode's file, and keep the old one in the scene's `takes`.

    Comments, order and formatting of everything else stay, byte for byte. The file is replaced as a whole.

    Args:
        path: the file; of a link, the file that it leads to.
        scene: the scene's name, or its number from 1.
        clip: as the file is to name it.
        notes: why.

    Raises:
        OptionError: the file cannot be read or is wrong, there is no such scene, or it has that clip already,
            or somebody else changed the file meanwhile.
        ContractError: the change did not come out as it should; the file is as it was.
        DiskFullError: no room for it.
        EncodeError: it cannot be written.
    """
    file = read_episode(path)
    if file.spec is None or file.root is None:
        raise OptionError(
            f"{refusal(file.path, file.problems)}\nCorrect the file first; nothing was changed."
        )
    number = scene_number(file.spec, scene)
    wanted = replaced(file.spec, number, clip, notes)
    text = _edited(file.text, _edits(file, file.root, number, wanted))
    if parse_episode(text, file.path).spec != wanted:
        raise ContractError(
            f"The scene {file.spec.names[number]!r} of {quoted(str(path))} could not be changed without "
            "changing something else; change its `clip` by hand."
        )
    _write(file, text)
    return Retake(number, file.spec.names[number], file.spec.scenes[number].clip, clip)


def _edits(file: EpisodeFile, root: Node, number: int, wanted: EpisodeSpec) -> list[_Edit]:
    scene = root.at(("scenes", number))
    entry = scene.entry("clip") if scene else None
    if scene is None or entry is None:
        raise ContractError("The file of the episode has no such scene.")
    new = wanted.scenes[number]
    flow = bool(scene.style)
    edits = [_renamed(file.text, entry.node, new.clip, flow)]
    takes = scene.entry("takes")
    if takes is None:
        edits.append(_first_take(file.text, entry, new.takes[-1], flow))
    else:
        edits.append(_another_take(file.text, takes.node, new.takes[-1]))
    return edits


def _edited(text: str, edits: list[_Edit]) -> str:
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    return text


def _renamed(text: str, node: Node, clip: str, flow: bool) -> _Edit:
    block = node.style in ("|", ">")
    words = in_quotes(clip) if flow or node.style == '"' else scalar(clip)
    return _Edit(node.start, node.end, words + (_line_end(text) if block else ""))


def _first_take(text: str, clip: Entry, take: Take, flow: bool) -> _Edit:
    """The key `takes` after that of the clip."""
    after = clip.node.end
    if flow:
        indent = _alone(text, clip.start)
        lead = ", " if indent is None else f",{_line_end(text)}{indent}"
        return _Edit(after, after, f'{lead}"takes": [{_in_braces(take)}]')
    column = clip.start - text.rfind("\n", 0, clip.start) - 1
    return _lines(text, clip.node, [" " * column + "takes:", *_item(take, column + 2)])


def _another_take(text: str, takes: Node, take: Take) -> _Edit:
    """One more item of `takes`."""
    items = takes.value if isinstance(takes.value, list) else []
    if not takes.style and items:
        # the dash of an item is the last one before it
        dash = text.rfind("-", 0, items[-1].start)
        return _lines(text, _last(items[-1]), _item(take, dash - text.rfind("\n", 0, dash) - 1))
    if not items:
        return _Edit(takes.start + 1, takes.start + 1, _in_braces(take))
    indent = _alone(text, items[-1].start)
    lead = ", " if indent is None else f",{_line_end(text)}{indent}"
    return _Edit(items[-1].end, items[-1].end, lead + _in_braces(take))


def _last(node: Node) -> Node:
    """The scalar or bracket that a block ends with."""
    while not node.style and node.value and isinstance(node.value, list | tuple):
        last = node.value[-1]
        node = last.node if isinstance(last, Entry) else last
    return node


def _lines(text: str, after: Node, lines: list[str]) -> _Edit:
    """Whole lines after the one on which a value ends."""
    end, line_end = after.end, _line_end(text)
    ended = after.style in ("|", ">") and text[:end].endswith("\n")
    if not ended:
        found = text.find("\n", end)
        end = len(text) if found < 0 else found + 1
    lead = "" if not end or text[:end].endswith("\n") else line_end
    return _Edit(end, end, lead + line_end.join(lines) + line_end)


def _item(take: Take, indent: int) -> list[str]:
    lines = [f"{' ' * indent}- clip: {scalar(take.clip)}"]
    return [*lines, f"{' ' * indent}  notes: {scalar(take.notes)}"] if take.notes else lines


def _in_braces(take: Take) -> str:
    notes = f', "notes": {in_quotes(take.notes)}' if take.notes else ""
    return f'{{"clip": {in_quotes(take.clip)}{notes}}}'


def _alone(text: str, start: int) -> str | None:
    """The indentation before a place if nothing else is before it on its line, else None."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    return before if re.fullmatch(r"[ \t]*", before) else None


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _write(file: EpisodeFile, text: str) -> None:
    """Replace the file, as a whole and with its permissions, unless it is not what was read any more."""
    target = file.path.resolve()
    part = beside(target)
    try:
        with writing(f"the file {plain(target.name)!r}", target.parent):
            before = target.read_bytes()
            mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
            if before != mark + file.text.encode():
                raise OptionError(f"{quoted(str(file.path))} was changed by somebody else; run this again.")
            part.write_bytes(mark + text.encode())
            part.chmod(target.stat().st_mode & 0o7777)
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)
