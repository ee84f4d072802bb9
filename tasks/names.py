"""What runs are called, so that a list of them can be read: what is done, and where it comes from."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.ref import MediaRef
from sakuga.quality.words import plain

LONGEST = 60
"""Characters of a file's name; the middle of a longer one is left out."""

RANGES = 3
"""Ranges of chunks that are named one by one."""


def job_name(parameters: Mapping[str, Any]) -> str:
    """`enhance clip.mp4 (2x) from incoming`: of a run of `enhance` with these parameters.

    Takes parameters before and after they were validated, so it serves those who start runs too.
    """
    source, store = parameters.get("source", ""), parameters.get("store")
    return f"enhance {source_name(source)} ({_wanted(parameters.get('spec'))}) from {_origin(source, store)}"


def episode_name(parameters: Mapping[str, Any]) -> str:
    """`episode pilot.yaml from season-1`, or by its title: of a run of `episode` with these parameters."""
    wanted = parameters.get("episode", "")
    if isinstance(wanted, str):
        return f"episode {source_name(wanted)} from {_origin(wanted, parameters.get('store'))}"
    title = wanted.get("title") if isinstance(wanted, Mapping) else getattr(wanted, "title", None)
    return f"episode {_short(str(title or 'Episode'))}"


def unit_name(name: str, parts: Sequence[int], what: str = "chunk") -> str:
    """`clip.mp4 chunks 12-40`: of a run that makes these parts of the video called `name`."""
    numbers = sorted(set(parts))
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    if len(ranges) > RANGES:
        return f"{_short(name)} {len(numbers)} {what}s of {numbers[0]}-{numbers[-1]}"
    text = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
    return f"{_short(name)} {what if len(numbers) == 1 else f'{what}s'} {text or 'none'}"


def source_name(source: object) -> str:
    """The name of a source's file, whether it is a path, a reference or its JSON object."""
    return _short(PurePosixPath(_place(source)).name or "video")


def _place(source: object) -> str:
    if isinstance(source, MediaRef):
        return source.uri
    if isinstance(source, Mapping):
        return str(source.get("uri", ""))
    return str(source)


def _origin(source: object, store: object) -> str:
    """The folder of a path, or the store of a reference: few words, as the whole is in the parameters."""
    place = _place(source)
    folder = PurePosixPath(place).parent.name
    if isinstance(source, str) and "://" in place:
        return _short(place.partition("://")[2].partition("/")[0] or place)
    if isinstance(source, str) and (store is None or place.startswith(("/", "~"))):
        return _short(folder or "/")
    block = str(store).rsplit("/", 1)[-1] if store else "this machine's store"
    return f"{_short(block)}{f'/{_short(folder)}' if folder else ''}"


def _wanted(spec: object) -> str:
    """`2x`, `1.5x`, `1080p`, `2x, 60 fps`: what changes most."""
    fields = spec.model_dump() if isinstance(spec, EnhanceSpec) else spec
    given = fields if isinstance(fields, Mapping) else {}
    size = f"{given['height']}p" if given.get("height") else f"{_number(given.get('scale') or 2)}x"
    return f"{size}, {_number(given['fps'])} fps" if given.get("fps") else size


def _number(value: object) -> str:
    try:
        return f"{float(Fraction(str(value))):.5g}"
    except (ValueError, ZeroDivisionError):
        # the form's text as it is: the flow refuses it, under this name
        return plain(str(value))[:LONGEST]


def _short(name: str) -> str:
    text = plain(name)
    if len(text) <= LONGEST:
        return text
    half = (LONGEST - 3) // 2
    return f"{text[:half]}...{text[-half:]}"
