"""Files that an episode names: where they are, and whether they are there."""

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TypeVar

from sakuga.episode.spec import EpisodeSpec, Scene, Soundtrack
from sakuga.episode.tree import Loc, quoted
from sakuga.errors import DamagedMediaError, InputError
from sakuga.media.info import Frozen, MediaInfo
from sakuga.media.probe import probe
from sakuga.settings import Limits

Part = TypeVar("Part", bound=Frozen)

_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
MAX_UP = 2
"""Folders that a relative name goes up; beyond, a whole path is easier to read."""

MAX_NEAR = 2000
"""Names of a folder that are looked at for one that was perhaps meant."""


def is_address(name: str) -> bool:
    """Whether a name is the address of something in a store, such as `s3://bucket/key`."""
    return bool(_ADDRESS.match(name))


def place_of(name: str, folder: Path) -> Path:
    """The file that a name in an episode's file means; relative ones begin in the file's folder."""
    path = Path(name)
    # `~` of somebody who is unknown here is a name like any other
    with suppress(RuntimeError):
        path = path.expanduser()
    return folder / path


def located(spec: EpisodeSpec, folder: Path, *, in_store: bool = False) -> EpisodeSpec:
    """The episode with the files that it names as whole paths, for where its own file is not known.

    Args:
        spec: as its file holds it.
        folder: that of the file.
        in_store: a name of no file of this machine is a key in a store, and stays as it is.
    """

    def whole(name: str) -> str:
        path = place_of(name, folder)
        return name if is_address(name) or (in_store and not _exists(path)) else str(path)

    return renamed(spec, whole, clips=True)


def located_in_store(spec: EpisodeSpec, folder: str) -> EpisodeSpec:
    """The episode with the files that it names as keys, where its own file is in a store.

    Addresses and whole paths stay as they are. A name that leads out of the store is left to be refused as
    no key.

    Args:
        spec: as its file holds it.
        folder: what the key of the file has before its name, empty for a file at the top.
    """

    def key(name: str) -> str:
        if is_address(name) or name.startswith("/"):
            return name
        return posixpath.normpath(posixpath.join(folder, name))

    return renamed(spec, key, clips=True)


def renamed(spec: EpisodeSpec, change: Callable[[str], str], *, clips: bool) -> EpisodeSpec:
    """The episode with the names of its files changed, those of the scenes' clips with `clips` only."""
    clip: dict[str, Callable[[str], str]] = {"clip": change} if clips else {}

    def scene(one: Scene) -> Scene:
        titles = tuple(_changed(title, font=change) for title in one.titles)
        return _changed(one, subtitles=change, **clip).model_copy(update={"titles": titles})

    sound: Soundtrack = _changed(spec.soundtrack, library=change)
    sound = sound.model_copy(
        update={
            "music": tuple(_changed(cue, file=change) for cue in sound.music),
            "effects": tuple(_changed(effect, file=change) for effect in sound.effects),
        }
    )
    return spec.model_copy(
        update={
            "scenes": tuple(scene(one) for one in spec.scenes),
            "soundtrack": sound,
            "credits": _changed(spec.credits, font=change) if spec.credits else None,
        }
    )


def _changed(part: Part, **changes: Callable[[str], str]) -> Part:
    """The part with some of its names changed, where it has them."""
    names = {key: getattr(part, key) for key in changes}
    return part.model_copy(update={key: changes[key](name) for key, name in names.items() if name})


def named_files(spec: EpisodeSpec) -> Iterator[tuple[Loc, str]]:
    """Files beside the clips that are named, each with its place: fonts, subtitles, music and effects."""
    for index, scene in enumerate(spec.scenes):
        for number, title in enumerate(scene.titles):
            if title.font:
                yield ("scenes", index, "titles", number, "font"), title.font
        if scene.subtitles:
            yield ("scenes", index, "subtitles"), scene.subtitles
    if spec.credits and spec.credits.font:
        yield ("credits", "font"), spec.credits.font
    for index, cue in enumerate(spec.soundtrack.music):
        if cue.file:
            yield ("soundtrack", "music", index, "file"), cue.file
    for index, effect in enumerate(spec.soundtrack.effects):
        yield ("soundtrack", "effects", index, "file"), effect.file


def missing(path: Path) -> str | None:
    """What is wrong with a file that must be there, None where nothing is."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"there is no file {quoted(str(path), 200)}{near(path)}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return f"{quoted(str(path), 200)} cannot be read: {reason}."
    if S_ISDIR(mode):
        return f"{quoted(str(path), 200)} is a folder; name a file in it."
    if not S_ISREG(mode):
        return f"{quoted(str(path), 200)} is not a regular file; name one."
    return None if os.access(path, os.R_OK) else f"{quoted(str(path), 200)} may not be read."


def near(path: Path) -> str:
    """The end of a sentence about a missing file: what was perhaps meant."""
    try:
        if not path.parent.is_dir():
            return f"; there is no folder {quoted(str(path.parent), 200)} either."
        names = [one.name for one, _ in zip(path.parent.iterdir(), range(MAX_NEAR), strict=False)]
    except (OSError, ValueError):
        return "; correct its name."
    lower = {name.lower(): name for name in names}
    found = get_close_matches(path.name.lower(), lower, 1, cutoff=0.7)
    return f"; did you mean {quoted(lower[found[0]])}?" if found else "; correct its name."


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def name_of(file: Path, folder: Path) -> str:
    """How an episode's file in `folder` names a file: relative, but for one that is far away."""
    try:
        name = os.path.relpath(file, folder)
    except ValueError:
        return str(file)
    if Path(name).parts[: MAX_UP + 1] == ("..",) * (MAX_UP + 1):
        return str(file)
    return f"./{name}" if name.startswith("~") else name


def clip_info(path: Path, limits: Limits) -> MediaInfo | str:
    """What a clip holds, or as a sentence why it cannot be used."""
    if wrong := missing(path):
        return wrong
    try:
        return probe(path, limits).info
    except (InputError, DamagedMediaError) as error:
        return str(error)
