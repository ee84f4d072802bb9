"""Where a result goes and what it is called; this module does not need Prefect to run."""

import os
from pathlib import Path
from typing import get_args

from sakuga.enhance.spec import Container
from sakuga.errors import OptionError
from sakuga.media.info import Frozen
from sakuga.media.ref import check_key

MARK = ".sakuga"
"""Before the suffix of every result, so that results are not taken for sources."""

FAILED = ".FAILED-CHECK"
REPORT = ".report.json"
MAX_STEM, MAX_NAME = 150, 230
"""Bytes of the stem of a name that we make, and of a name that was asked for: file systems allow 255, and
endings are added."""

CONTAINERS: tuple[str, ...] = get_args(Container)


class Destination(Frozen):
    """Folder of this machine, or folder in the store, and the result's file name."""

    folder: Path | None
    prefix: str
    name: str

    @property
    def stem(self) -> str:
        """The name without its suffix: what the names of report and previews begin with."""
        return self.name.rsplit(".", 1)[0]

    @property
    def failed_name(self) -> str:
        """What a result is called that failed a check."""
        return f"{self.stem}{FAILED}.{self.name.rsplit('.', 1)[1]}"


def choose_destination(
    source: Path | None,
    name: str,
    container: Container,
    output: str | None,
    *,
    in_store: bool,
    overwrite: bool,
) -> Destination:
    """Where the result goes: a file or folder that was named, the store, or beside the source.

    Args:
        source: the source where it is a file of this machine.
        name: what people call the source.
        container: kind of the result.
        output: file or folder that was asked for.
        in_store: results go to a store where no output is named.
        overwrite: whether a result that is there may be replaced.

    Raises:
        OptionError: the name does not fit the container, is that of the source, or is taken; or nothing can
            be written there.
    """
    own_name = f"{safe_stem(name)}{MARK}.{container}"
    if output is None and (in_store or source is None):
        return Destination(folder=None, prefix="results", name=own_name)
    try:
        target = _target(source, output, own_name, container)
        target.exists()
    except OSError as error:
        raise OptionError(f"The result cannot be written to {output!r}: {error.strerror}.") from error
    _check_place(target)
    if source is not None and target.exists() and target.samefile(source):
        raise OptionError(
            f"The result cannot be written over its source {str(source)!r}; choose another name."
        )
    if target.is_dir():
        raise OptionError(f"{str(target)!r} is a folder; choose another name for the result.")
    check_key(target.name)
    if target.exists() and not overwrite:
        raise OptionError(
            f"{str(target)!r} already exists; choose another name or turn on overwrite (--overwrite)."
        )
    return Destination(folder=target.parent, prefix="", name=target.name)


def _target(source: Path | None, output: str | None, own_name: str, container: Container) -> Path:
    if output is None:
        assert source is not None
        return source.parent / own_name
    path = Path(output).expanduser().absolute()
    suffix = path.suffix.lower().removeprefix(".")
    if path.is_dir() or output.endswith("/") or not suffix:
        return path / own_name
    if suffix != container:
        raise OptionError(
            f"{path.name!r} does not fit the container {container}; name it .{container}, or choose another "
            f"container of {', '.join(CONTAINERS)}."
        )
    return path


def _check_place(target: Path) -> None:
    """Refuse, before hours of work, a place that cannot be written to."""
    if len(target.name.encode(errors="replace")) > MAX_NAME:
        raise OptionError(f"The name {target.name!r} is too long; choose one of {MAX_NAME} bytes at most.")
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise OptionError(f"Nothing can be written to {str(folder)!r}; choose another place with -o.")


def safe_stem(name: str) -> str:
    """The stem of a file name without control characters, short enough to be added to."""
    stem = name.rsplit("/", 1)[-1]
    stem = stem.rsplit(".", 1)[0] or stem.lstrip(".")
    clean = "".join(character if character.isprintable() else "_" for character in stem).replace("\\", "_")
    short = clean.encode(errors="replace")[:MAX_STEM].decode(errors="ignore")
    return short if short.strip(" .") else "video"


def is_result(path: Path) -> bool:
    """Whether a file is named like a result of ours."""
    return path.stem.endswith((MARK, f"{MARK}{FAILED}"))
