"""The clips of an episode as local files, and those that cannot be used."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prefect.logging import get_run_logger

from sakuga.errors import DamagedMediaError, InputError
from sakuga.media.info import Frozen, MediaInfo
from sakuga.settings import load_settings
from tasks.channel import current_channel
from tasks.job import Source
from tasks.probing import probe_once
from tasks.retry import step
from tasks.source import called_by_name, find_located, local_copy


class Clip(Frozen):
    """A clip that can be used."""

    source: Source
    info: MediaInfo
    model: str = ""
    """What it was enhanced with, if it was."""


class Unusable(Frozen):
    """A clip that is missing or broken, and why."""

    clip: str
    why: str


@step("fetch clip")
def fetch_clip(clip: str, store: str | None, folder: Path) -> Clip | Unusable:
    """A clip of an episode as a local file, with what it holds.

    A clip that is missing or broken is no failure here: whether it is one is for the episode to say.

    Args:
        clip: a whole path of this machine, or a key or address in the store.
        store: the episode's media store block.
        folder: of this clip in the run; what is fetched goes there.

    Raises:
        StoreError: the store does not give it, though it has it.
        DiskFullError: there is no room for it.
    """
    current_channel().check()
    try:
        source = local_copy(find_located(clip, store), store, folder)
        with called_by_name(source):
            return Clip(
                source=source, info=probe_once(source.path, load_settings().limits, salvage=False).info
            )
    except (InputError, DamagedMediaError) as error:
        get_run_logger().warning("The clip %r cannot be used: %s", clip, error)
        return Unusable(clip=clip, why=str(error))


def folders_for(clips: Iterable[str], folder: Path) -> dict[str, Path]:
    """A folder of its own below `folder` for each clip, by the clip's name."""
    places: dict[str, Path] = {}
    for clip in clips:
        if clip not in places:
            places[clip] = folder / f"clip-{len(places)}"
            with suppress(FileExistsError):
                places[clip].mkdir()
    return places
