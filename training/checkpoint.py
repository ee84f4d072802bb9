"""The state of training in a file, so that it can go on."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from sakuga.errors import InputError
from training.recipes import Recipe

MAY_CHANGE = {"steps", "hold"}
"""What of a recipe may be another one when training goes on."""


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its final name, flush it to the disk, then rename it.

    Args:
        path: the final name.
        write: called with the open file.
    """
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()


def save(path: Path, recipe: Recipe, state: dict[str, Any]) -> None:
    """Keep the state of training.

    Args:
        path: of the checkpoint.
        recipe: what is trained.
        state: tensors, numbers and text only.
    """
    content = {"recipe": recipe.model_dump_json(), **state}
    write_whole(path, lambda file: torch.save(content, file))


def restore(path: Path, recipe: Recipe) -> dict[str, Any] | None:
    """The state that was kept last; None where there is none.

    Raises:
        InputError: it does not read, or is another recipe's.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before = Recipe.model_validate_json(state["recipe"])
    except Exception as error:  # a damaged file can fail in every way there is
        raise InputError(
            f"The checkpoint {str(path)!r} does not read; remove it, and training begins anew."
        ) from error
    if before.model_dump(exclude=MAY_CHANGE) != recipe.model_dump(exclude=MAY_CHANGE):
        raise InputError(
            f"The checkpoint {str(path)!r} is of another recipe; train into another folder, or remove it."
        )
    return state
