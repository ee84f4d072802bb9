"""Faults at random for as long as one likes: `python -m tests.farm.soak --minutes 60 --write`.

Every round starts one or two jobs, does one to three things to the farm while they work, and looks at what
came of them. The table that it ends with goes into docs/reliability.md with `--write`.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.farm.farm import Farm
from tests.farm.faults import FAULTS, GPUS, PARENTS, Fault
from tests.farm.jobs import Job, Ledger, settled
from tests.farm.workload import another_film, digests, make_film, quiet_frames

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BLOCK = re.compile(r"(?<=<!-- soak -->\n).*?(?=<!-- /soak -->)", re.DOTALL)
ROUND_SECONDS = 400.0
"""A job of which a machine went away waits some 100 seconds for the heartbeat automation."""


@dataclass
class Totals:
    """What happened so far."""

    faults: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    done: int = 0
    frames: int = 0
    wrong_frames: int = 0
    chunks: int = 0
    twice: int = 0
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether every job was done and nothing was wrong."""
        return self.done == self.jobs and not (self.wrong_frames or self.twice or self.left)

    def table(self, seed: int) -> str:
        """The figures as they stand in the documentation."""
        rows = [(f"faults in {self.seconds / 60:.0f} minutes (seed {seed})", self.faults.total())]
        rows += [(f"- {name}", count) for name, count in sorted(self.faults.items())]
        rows += [
            ("jobs run", self.jobs),
            ("jobs done", self.done),
            ("frames compared", self.frames),
            ("frames lost or different", self.wrong_frames),
            ("chunks made", self.chunks),
            ("chunks made twice", self.twice),
            ("orphans and files left", len(self.left)),
        ]
        return "| what | count |\n|---|---:|\n" + "".join(f"| {what} | {count} |\n" for what, count in rows)


@dataclass
class Soak:
    """Rounds of one seed on one farm."""

    farm: Farm
    film: Path
    quiet: list[str]
    draw: random.Random
    totals: Totals = field(default_factory=Totals)

    def round(self, *, jobs: int, faults: list[Fault]) -> None:
        """Run jobs, do this to them, and look at what came of it."""
        farm, totals, began = self.farm, self.totals, time.monotonic()
        with Ledger(farm) as ledger:
            started = [Job(farm, self._film()) for _ in range(jobs)]
            for fault in faults:
                job = self.draw.choice([job for job in started if not job.ended()] or started)
                if job.ended():
                    break
                fault.inject(farm, job, self.draw)
                totals.faults[fault.name] += 1
            for job in started:
                job.wait(ROUND_SECONDS)
            for job in started:
                self._judge(job)
            totals.chunks += len(ledger.published)
            totals.twice += len(ledger.twice())
        totals.seconds += time.monotonic() - began

    def _film(self) -> Path:
        self.totals.jobs += 1
        return another_film(self.film, self.farm.folder / f"film-{self.totals.jobs}.mp4")

    def _judge(self, job: Job) -> None:
        state, totals = job.wait(ROUND_SECONDS), self.totals
        if state.is_completed():
            frames = digests(job.result)
            totals.done += 1
            totals.frames += len(frames)
            totals.wrong_frames += len(self.quiet) - sum(
                mine == theirs for mine, theirs in zip(frames, self.quiet, strict=False)
            )
        else:
            totals.left.append(f"job {job.id}: {state.name}: {state.message}\n{job.story()}")
        totals.left += settled(self.farm, job, killed=True)


def random_faults(draw: random.Random) -> list[Fault]:
    """One to three faults of one round."""
    return draw.choices(FAULTS, k=draw.randint(1, 3))


def main() -> int:
    """Run rounds until the time is up; the exit code says whether all was right."""
    parser = argparse.ArgumentParser(description="Run jobs on a farm that breaks all the time.")
    parser.add_argument("--minutes", type=float, default=60, help="how long to go on")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sakuga-soak-") as name:
        folder = Path(name)
        film = make_film(folder / "film.mp4")
        quiet = quiet_frames(film, folder / "quiet")
        with Farm(folder / "farm") as farm:
            farm.all_up(PARENTS, *GPUS)
            soak = Soak(farm, film, quiet, random.Random(asked.seed))
            while soak.totals.seconds < asked.minutes * 60:
                faults = random_faults(soak.draw)
                soak.round(jobs=soak.draw.randint(1, 2), faults=faults)
                farm.all_up(PARENTS, *GPUS)
                said = ", ".join(fault.name for fault in faults)
                sys.stdout.write(f"{soak.totals.seconds / 60:6.1f} min  {soak.totals.done} jobs  {said}\n")
                sys.stdout.flush()
    table = soak.totals.table(asked.seed)
    sys.stdout.write("\n".join(["", table, *soak.totals.left]))
    if asked.write:
        PAGE.write_text(BLOCK.sub(lambda _: f"\n{table}\n", PAGE.read_text()))
    return 0 if soak.totals.clean else 1


if __name__ == "__main__":
    sys.exit(main())
