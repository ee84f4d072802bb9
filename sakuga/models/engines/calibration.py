"""What was fastest here before: choices kept in `SAKUGA_HOME/calibration.json`."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from sakuga.media.info import Frozen
from sakuga.models.claim import held
from sakuga.settings import home

MOST = 500
"""Choices that are kept; the oldest go first."""


class Kept(Frozen):
    """One choice, and how fast it was in source pixels per second."""

    backend: str
    precision: str
    speed: float


class _File(Frozen):
    version: int = 1
    choices: dict[str, Kept] = Field(default_factory=dict)


class Situation(NamedTuple):
    """What a choice holds for: anything else here, and it is made again."""

    digest: str
    """Of the network."""
    device: str
    """Its name as its maker calls it."""
    size_class: int
    wanted: str
    """What was asked for: back end and precision."""
    versions: str
    """Of the libraries that run networks."""
    cpus: int

    @property
    def key(self) -> str:
        """All of it in a line."""
        return " | ".join(str(part) for part in self)


def size_class(size: tuple[int, int]) -> int:
    """Sizes that are calibrated as one: from one power of two of pixels to the next."""
    return (size[0] * size[1]).bit_length()


def path() -> Path:
    """Where choices are kept."""
    return home() / "calibration.json"


def recall(situation: Situation) -> Kept | None:
    """The choice made before, None where there is none or the file is not readable."""
    return _read().choices.get(situation.key)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Waits while another process calibrates: timings would disturb each other, and choices differ.

    Where the folder cannot be written nobody waits.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            path().parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(path().with_suffix(".lock"), lambda _: None, None))
        yield


def remember(situation: Situation, kept: Kept) -> None:
    """Keep a choice; where that cannot be done, it is made again the next time.

    Of two processes that write at the same time the file holds one's choice, and is whole.
    """
    choices = {**_read().choices}
    choices.pop(situation.key, None)
    choices[situation.key] = kept
    newest = dict(list(choices.items())[-MOST:])
    try:
        _write(_File(choices=newest).model_dump_json(indent=1))
    except OSError:
        return


def _read() -> _File:
    try:
        found = _File.model_validate(json.loads(path().read_bytes()))
    except (OSError, ValueError, RecursionError, ValidationError):
        return _File()
    return found if found.version == _File().version else _File()


def _write(text: str) -> None:
    path().parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path().parent, prefix=f".{path().name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(beside).replace(path())
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
