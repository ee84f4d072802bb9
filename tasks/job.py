"""What the steps of one job share: small values that travel through Prefect, and large ones in files."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from blocks.stores import LocalFolderStore, MediaStore
from sakuga.enhance.plan import Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError
from sakuga.media.info import Frozen, MediaInfo, Rational
from sakuga.media.packets import PacketIndex
from sakuga.settings import load_settings

ARRAYS = ("pts", "keyframe", "labels", "sizes")
"""Arrays of a packet index; the last two are absent from most."""


class Source(Frozen):
    """A source as a local file, under the name that people know it by."""

    path: Path
    name: str
    sha256: str
    size: int


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

    Raises:
        OptionError: there is no such block, or it is no media store.
    """
    if store is None:
        return LocalFolderStore(root=load_settings().store_root)
    from prefect.blocks.core import Block

    import blocks  # noqa: F401 - makes our block types known

    try:
        block = Block.load(store)
    except ValueError as error:
        raise OptionError(f"There is no block {store!r} in Prefect; save one or correct the name.") from error
    if not isinstance(block, MediaStore):
        raise OptionError(f"The block {store!r} is no media store; choose a Sakuga store.")
    return block
