"""Reuse: what was upscaled a moment ago, a picture or a part of one, is not upscaled again."""

from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Literal

from sakuga.enhance.audit import Verdict, judge
from sakuga.enhance.near import NEAR_GROUP, NEAR_HALO, NEAR_REACH, composite, near_changes
from sakuga.enhance.regions import Cover, changed_pixels, cover_changes
from sakuga.enhance.tally import Counts
from sakuga.enhance.upscaling import Upscaling
from sakuga.errors import ContractError
from sakuga.media.picture import Picture

ReuseMode = Literal["exact", "near", "off"]

KEPT = 4
"""Results that are kept: enough for a drawing held, or two or three drawings in a cycle."""

CHEAP = 0.1
"""Share of a whole picture's cost below which no better base is looked for."""

TRIES = 4
"""Pictures in a row without a part worth keeping after which comparing pauses: grain, or a pan."""

LONGEST_PAUSE = 32
"""Pictures that a pause lasts at most; it begins with `TRIES` and doubles."""

EXACT_AUDITS = 100
"""Of so many frames made of parts, the first is also computed whole: a fault shows before any harm."""

NEAR_AUDITS = (8, 32)
"""Which frames of a group are, counting those not computed whole: early, and when errors have added up."""


@dataclass(frozen=True)
class _Kept:
    """A result and the samples that it was computed from."""

    reference: Picture
    result: Future[Picture]
    true: bool
    """Whether it is what computing `reference` whole gives."""


class Reuse:
    """Has pictures upscaled, one after another by one thread; results come by futures.

    A task waits only for results of pictures before it. An executor that begins tasks in the order they
    come, such as a thread pool, therefore never stands still, not even with one thread: the earliest task
    that is not done waits for nothing.

    With `near` what is shared stays in groups of `NEAR_GROUP` film frames, so that a result depends on film
    frames of its own group only. With `exact` results are those of no reuse.
    """

    def __init__(
        self, upscaling: Upscaling, pool: Executor, mode: ReuseMode = "exact", *, regions: bool = True
    ) -> None:
        """Begin without any result.

        Args:
            upscaling: makes results.
            pool: begins tasks in the order that they are given.
            mode: what counts as the same.
            regions: whether parts of pictures may be made, where the upscaler can.
        """
        self._upscaling = upscaling
        self._pool = pool
        self._mode = mode
        self._near = mode == "near"
        self._regions = regions
        self._kept: list[_Kept] = []
        self._group: int | None = None
        self._patience = _Patience()
        self._parts = 0
        self._audit: Future[Verdict] | None = None
        self.counts = Counts()

    def __call__(self, number: int, picture: Picture) -> Future[Picture]:
        """The upscaled film frame, now or when it is ready; numbers increase.

        Raises:
            ContractError: earlier frames were made of parts that differ from the whole; `counts` says so.
        """
        self.finish()
        if self._mode == "near" and number // NEAR_GROUP != self._group:
            self._group, self._kept, self._near = number // NEAR_GROUP, [], True
            self._patience, self._parts = _Patience(), 0
        self._count(all_pixels=_pixels(picture))
        if self._mode == "off":
            return self._whole(picture).result
        kept = self._same(picture) or self._like(picture) or self._whole(picture)
        self._kept = [*[one for one in self._kept if one is not kept][1 - KEPT :], kept]
        return kept.result

    def finish(self) -> None:
        """Wait for an audit that is under way, and act on what it found.

        Raises:
            ContractError: as for a call.
        """
        if self._audit is None:
            return
        verdict, self._audit = self._audit.result(), None
        if verdict.psnr is not None:
            worst = min(verdict.psnr, self.counts.worst_audit or verdict.psnr)
            self.counts = self.counts.model_copy(update={"worst_audit": worst})
        if verdict.good:
            return
        self._count(refused=1)
        if self._near:
            self._near = False
            self._kept = [one for one in self._kept if one.true]
            return
        self._regions = False
        reason = f"{self._upscaling.upscaler.name} makes parts of a picture that differ from the whole"
        self.counts = self.counts.model_copy(update={"regions_off": reason})
        if self.counts.partial:
            raise ContractError(f"{reason}; use --reuse off.")

    def _same(self, picture: Picture) -> _Kept | None:
        """What is there already for the same samples."""
        for kept in reversed(self._kept):
            if picture is kept.reference or picture.same_as(kept.reference):
                self._count(reused=1)
                return kept
        return None

    def _like(self, picture: Picture) -> _Kept | None:
        """What is there, with the parts computed that differ."""
        if not self._may_compare() or self._patience.pauses():
            return None
        best = self._cheapest(picture)
        self._patience.note(best is not None)
        if best is None:
            return None
        base, cover = best
        number, self._parts = self._parts, self._parts + 1
        if number in NEAR_AUDITS if self._near else number % EXACT_AUDITS == 0:
            return self._audited(picture, base, cover)
        if not cover.regions:
            self._count(reused=1)
            return base
        self._count(partial=1, pixels=cover.pixels)
        result = self._pool.submit(self._made_of_parts, picture, base.result, cover)
        if self._near:
            return _Kept(composite(picture, base.reference, cover.regions), result, true=False)
        return _Kept(picture, result, true=True)

    def _may_compare(self) -> bool:
        return self._near or (self._mode == "exact" and self._regions)

    def _cheapest(self, picture: Picture) -> tuple[_Kept, Cover] | None:
        """The kept result that needs least to become this picture's, the last one if several do."""
        spread = self._upscaling.spread(picture) if self._regions else None
        if spread is None and not self._near:
            self._regions = False
            return None
        best: tuple[_Kept, Cover] | None = None
        for base in reversed(self._kept):
            cover = self._cover(picture, base.reference, spread)
            if cover and (best is None or cover.pixels < best[1].pixels):
                best = base, cover
                if cover.pixels <= CHEAP * _pixels(picture):
                    break
        return best

    def _cover(self, picture: Picture, reference: Picture, spread: int | None) -> Cover | None:
        changed = (near_changes if self._near else changed_pixels)(picture, reference)
        if spread is None:
            return None if changed.any() else Cover((), 0)
        if self._near:
            return cover_changes(changed, min(spread, NEAR_REACH), min(spread, NEAR_HALO))
        return cover_changes(changed, spread, spread)

    def _made_of_parts(self, picture: Picture, base: Future[Picture], cover: Cover) -> Picture:
        before = base.result()
        if not cover.regions:
            return before
        return self._upscaling.parts(
            picture, before, cover.regions, halo=NEAR_HALO if self._mode == "near" else None
        )

    def _audited(self, picture: Picture, base: _Kept, cover: Cover) -> _Kept:
        """The whole result, beside that made of parts, which is compared with it and forgotten."""
        kept = self._whole(picture)
        self._count(audits=1, pixels=cover.pixels)
        parts = self._pool.submit(self._made_of_parts, picture, base.result, cover)
        near = self._near
        self._audit = self._pool.submit(lambda: judge(parts.result(), kept.result.result(), near=near))
        return kept

    def _whole(self, picture: Picture) -> _Kept:
        self._count(computed=1, pixels=_pixels(picture))
        return _Kept(picture, self._pool.submit(self._upscaling.whole, picture), true=True)

    def _count(self, **more: int) -> None:
        # replaced as a whole, so that another thread never sees half of it
        counts = self.counts
        self.counts = counts.model_copy(
            update={name: getattr(counts, name) + by for name, by in more.items()}
        )


class _Patience:
    """Whether comparing pictures is worth it, by how it went with those just before."""

    def __init__(self) -> None:
        self._failed = 0
        self._pause = TRIES
        self._left = 0

    def pauses(self) -> bool:
        """Whether the next picture is not compared."""
        self._left -= self._left > 0
        return self._left > 0

    def note(self, paid: bool) -> None:
        """Remember whether comparing paid."""
        if paid:
            self._failed, self._pause = 0, TRIES
            return
        self._failed += 1
        if self._failed >= TRIES:
            self._left = self._pause + 1
            self._pause = min(2 * self._pause, LONGEST_PAUSE)


def _pixels(picture: Picture) -> int:
    return picture.width * picture.height
