"""Work that can be spread over a work pool: the parts of one job, each kept under a key of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prefect.futures import PrefectFuture

from tasks.cache import Made, PartCache
from tasks.job import open_store
from tasks.retry import patiently

T = TypeVar("T", bound=Made)


@dataclass(frozen=True)
class PoolWork(Generic[T]):
    """What of a job runs of another deployment can make; parts are told apart by their numbers from 0."""

    kind: type[T]
    """Class of the record of a finished part."""

    what: str
    """A part is, in one word: `chunk`. With an `s` it is the parameter with the numbers of a unit."""

    stage: str
    """The stage of the job in which they are made."""

    name: str
    """What people call the job's source."""

    store: str | None
    """The media store block that all machines share."""

    deployment: str
    """Of the flow that makes a unit, as `flow/deployment`."""

    keys: Sequence[str]
    frames: Mapping[int, int]
    share: Callable[[str], object]
    """Puts what workers need into the store, for the job's run with this id."""

    told: Callable[[int, T], None] | None = None
    """Called when a part is finished."""

    make_here: Callable[[int], PrefectFuture[Any]] | None = None
    """Begins a part in the job's own run, for when nobody takes what it hands out; None where it cannot.

    Where it can, workers of the pool may take any number of runs at a time, the job's own among them.
    """

    @property
    def parameter(self) -> str:
        """The parameter of the deployment that takes the numbers of a unit."""
        return f"{self.what}s"

    def find(self, number: int) -> T | None:
        """The finished part of this number, None where it is missing or damaged.

        Raises:
            StoreError: the store refuses, or stays away.
        """
        cache = PartCache(open_store(self.store), self.kind)
        return patiently(lambda: cache.find(self.keys[number]))
