"""How steps tell what they do."""

from collections.abc import Callable

Say = Callable[[str], None]
"""Called with a line for a person."""


def nothing(text: str) -> None:
    """Say nothing."""
    del text
