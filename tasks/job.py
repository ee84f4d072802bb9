"""What the steps of one job share: small values that travel through Prefect, and large ones in files."""

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import httpx
import numpy as np
from prefect.settings import PREFECT_API_URL

from blocks.stores import LocalFolderStore, MediaStore
from sakuga.enhance.plan import Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError, StoreAwayError, StoreError
from sakuga.media.info import Frozen, MediaInfo, Rational
from sakuga.media.packets import PacketIndex
from sakuga.media.ref import MediaRef
from sakuga.settings import load_settings
from tasks.retry import patiently

ARRAYS = ("pts", "keyframe", "labels", "sizes")
"""Arrays of a packet index; the last two are absent from most."""

PLANNED = ("packets.npz", "index.json", "found.json", "plan.json")
"""Files that the large values of a job are kept in."""

KEEP = 300.0
"""Seconds that a loaded block is used before it is loaded again: its secrets may have been changed."""

KEEP_MEANWHILE = 30.0
"""The same while Prefect's server does not answer."""

_BLOCKS: dict[tuple[str | None, str], tuple[MediaStore, float]] = {}
"""Loaded blocks by server and name, and when they are to be loaded again."""


class Source(Frozen):
    """A source as a local file, under the name that people know it by."""

    path: Path
    name: str
    sha256: str
    size: int
    ref: MediaRef | None = None
    """Where it is in the job's store, if it is."""


class Job(Frozen):
    """One job: what travels to every step. The plan and the packet index are files in `folder`."""

    source: Source
    spec: EnhanceSpec
    folder: Path
    store: str | None


class Found(Frozen):
    """What looking at the source gave, beside the plan."""

    info: MediaInfo
    reason: str
    chosen: str
    """Why the model of the job was taken, where none was named."""
    truncated: str | None
    lost_frames: int


class Index(Frozen):
    """The scalars of a packet index; its arrays are in a file of their own."""

    time_base: Rational
    end: int


@dataclass(frozen=True)
class Planned:
    """The large values of a job."""

    found: Found
    packets: PacketIndex
    plan: Plan

    @property
    def info(self) -> MediaInfo:
        """What the source holds."""
        return self.found.info


def save_planned(planned: Planned, folder: Path) -> None:
    """Write the large values of a job into its folder."""
    packets = planned.packets
    arrays = {name: getattr(packets, name) for name in ARRAYS}
    np.savez(folder / "packets.npz", **{name: array for name, array in arrays.items() if array is not None})
    index = Index(time_base=packets.time_base, end=packets.end)
    for name, value in (("index", index), ("found", planned.found), ("plan", planned.plan)):
        (folder / f"{name}.json").write_text(value.model_dump_json())


@lru_cache(maxsize=2)
def load_planned(folder: Path) -> Planned:
    """The large values of the job that works in `folder`; read once in a process."""
    index = Index.model_validate_json((folder / "index.json").read_bytes())
    with np.load(folder / "packets.npz", allow_pickle=False) as arrays:
        held = {name: arrays[name] for name in ARRAYS if name in arrays}
    packets = PacketIndex(time_base=index.time_base, end=index.end, **held)
    return Planned(
        found=Found.model_validate_json((folder / "found.json").read_bytes()),
        packets=packets,
        plan=Plan.model_validate_json((folder / "plan.json").read_bytes()),
    )


def open_store(store: str | None) -> MediaStore:
    """The media store of a block (`sakuga-s3-store/name`), or this machine's own where none is named.

    Blocks are asked of Prefect's server once in a few minutes.

    Raises:
        OptionError: there is no such block, or it is no media store.
        StoreAwayError: Prefect's server does not answer.
    """
    if store is None:
        return _own_store(load_settings().store_root)
    key = (PREFECT_API_URL.value(), store)
    known = _BLOCKS.get(key)
    if known is None or time.monotonic() >= known[1]:
        try:
            known = (_load_store(store), time.monotonic() + KEEP)
        except StoreAwayError:
            if known is None:
                raise
            # a server that does not answer says nothing against what it has said
            known = (known[0], time.monotonic() + KEEP_MEANWHILE)
        _BLOCKS[key] = known
    return known[0]


def prepare_store(store: str | None) -> MediaStore:
    """Open the store of a job that begins, and make what it needs to exist; one that is away is waited for.

    Only the job's own run does this: who works for it finds the store, or takes it as away.

    Raises:
        OptionError: there is no such block, or it is no media store.
        StoreError: the store refuses, or stays away.
    """

    def prepare() -> MediaStore:
        opened = open_store(store)
        opened.prepare()
        return opened

    return patiently(prepare)


@lru_cache(maxsize=8)
def _own_store(root: Path) -> MediaStore:
    """The store in a folder of this machine, made once in a process: a folder that goes is not made again."""
    store = LocalFolderStore(root=root)
    store.prepare()
    return store


def _load_store(name: str) -> MediaStore:
    from prefect.blocks.core import Block

    import blocks  # noqa: F401 - makes our block types known

    try:
        block = Block.load(name)
    except ValueError as error:
        raise OptionError(f"There is no block {name!r} in Prefect; save one or correct the name.") from error
    except httpx.HTTPError as error:
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500:
            raise StoreError(f"Prefect's server does not give the block {name!r}: {error}.") from error
        raise StoreAwayError(
            f"The block {name!r} cannot be loaded: Prefect's server does not answer."
        ) from error
    except RuntimeError as error:
        raise OptionError(f"The block {name!r} cannot be used; save it again: {error}.") from error
    if not isinstance(block, MediaStore):
        raise OptionError(f"The block {name!r} is no media store; choose a Sakuga store.")
    return block
