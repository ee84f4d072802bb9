"""What an operator configures in Prefect: media stores and presets.

The command `prefect block register --module blocks` takes every block that this module knows by name, so what
they have in common is left in its own module.
"""

from blocks.preset import EnhancePreset, with_preset
from blocks.s3 import S3Store
from blocks.stores import LocalFolderStore

BLOCKS = (LocalFolderStore, S3Store, EnhancePreset)
"""All block types that people configure."""

__all__ = [
    "BLOCKS",
    "EnhancePreset",
    "LocalFolderStore",
    "S3Store",
    "register_blocks",
    "with_preset",
]


def register_blocks() -> list[str]:
    """Make all block types known to Prefect's server, or bring them up to date; return their slugs.

    Raises:
        httpx.HTTPError: the server cannot be reached, or refuses.
    """
    for block in BLOCKS:
        block.register_type_and_schema()
    return [block.get_block_type_slug() for block in BLOCKS]
