"""Removing what is not needed any more."""

from collections.abc import Iterator
from datetime import timedelta

from sakuga.settings import load_settings
from tasks.cache import prune
from tasks.job import open_store
from tasks.scratch import keys_in_use, remove_dead
from tasks.source_cache import clean_sources


def clean_up(*, everything: bool, store: str | None) -> Iterator[str]:
    """Remove folders of killed runs, and sources and finished chunks beyond the bounds in the settings.

    Yields:
        What was done, as lines for people.

    Raises:
        SakugaError: the settings are wrong, or the store cannot be read or written.
    """
    settings = load_settings()
    dead = remove_dead(settings.scratch_root)
    yield f"Folders of killed runs removed: {dead}."
    sources, size = clean_sources(settings.scratch_root, 0 if everything else settings.farm.source_bytes)
    yield f"Fetched sources removed: {sources} ({size} bytes)."
    kept = prune(
        open_store(store),
        max_bytes=settings.cache.max_bytes,
        max_age=timedelta(days=settings.cache.max_age_days),
        in_use=keys_in_use(settings.scratch_root),
        all_=everything,
    )
    yield f"Finished chunks removed: {kept.removed} ({kept.removed_bytes} bytes)."
    yield f"Finished chunks kept: {kept.left} ({kept.left_bytes} bytes)."
