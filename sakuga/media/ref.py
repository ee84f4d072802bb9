"""References to files: what travels between steps in place of the files themselves."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from pydantic import ConfigDict, Field

from sakuga.errors import OptionError, UnreadableMediaError
from sakuga.media.info import Frozen

READ_BYTES = 1 << 20

MAX_KEY = 1000
"""Characters of a key: S3 allows 1024 bytes, and a prefix needs room too."""

TEMPORARY = ".sakuga-part-"
"""Beginning of the names of files that are not whole yet; never listed, never read."""


class MediaRef(Frozen):
    """A file in a media store: where it is, relative to the store's root, and what is in it."""

    # as forms call it
    model_config = ConfigDict(title="File in the store")

    uri: str = Field(
        min_length=1, title="Key", description="Path of the file, relative to the root of its store."
    )
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", title="SHA-256", description="Digest of the file's content."
    )
    size: int = Field(ge=0, title="Size", description="Size of the file in bytes.")


def file_digest(path: Path, poll: Callable[[], None] | None = None) -> tuple[str, int]:
    """SHA-256 (64 hexadecimal digits) and size in bytes of a file, read as a stream.

    `poll` is called often while the file is read, and may raise to stop.

    Raises:
        UnreadableMediaError: the file cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(READ_BYTES):
                digest.update(block)
                if poll:
                    poll()
                size += len(block)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableMediaError(f"{str(path)!r} cannot be read: {reason}.") from error
    return digest.hexdigest(), size


def check_key(key: str) -> str:
    """The key, when it names a file below the root of a store and nothing else.

    Raises:
        OptionError: the key is empty, too long, absolute, climbs with `..`, or holds control characters.
    """
    parts = key.split("/")
    wrong = (
        not 0 < len(key) <= MAX_KEY
        or any(part in ("", ".", "..") or len(part.encode(errors="replace")) > 255 for part in parts)
        or "\\" in key
        or not key.isprintable()
        or parts[-1].startswith(TEMPORARY)
    )
    if wrong:
        raise OptionError(
            f"{key[:200]!r} is not a name in a media store; use a relative path without '..' "
            "or control characters."
        )
    return key
