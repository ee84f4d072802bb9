"""References to files: what travels between steps in place of the files themselves."""

import hashlib
from pathlib import Path

from pydantic import Field

from sakuga.errors import UnreadableMediaError
from sakuga.media.info import Frozen

READ_BYTES = 1 << 20


class MediaRef(Frozen):
    """A file in a media store: where it is, relative to the store's root, and what is in it."""

    uri: str = Field(
        min_length=1, title="Key", description="Path of the file, relative to the root of its store."
    )
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", title="SHA-256", description="Digest of the file's content."
    )
    size: int = Field(ge=0, title="Size", description="Size of the file in bytes.")


def file_digest(path: Path) -> tuple[str, int]:
    """SHA-256 (64 hexadecimal digits) and size in bytes of a file, read as a stream.

    Raises:
        UnreadableMediaError: the file cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(READ_BYTES):
                digest.update(block)
                size += len(block)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableMediaError(f"{str(path)!r} cannot be read: {reason}.") from error
    return digest.hexdigest(), size
