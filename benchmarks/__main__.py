"""Run benchmarks: `python -m benchmarks [NAME ...] [--write]`."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks import memory, pipeline_cost, plan_time, whole_job
from benchmarks.machine import here

PAGE = Path("docs/performance.md")
ALL: dict[str, Callable[[], str]] = {
    "plan_time": plan_time.measure,
    "pipeline_cost": pipeline_cost.measure,
    "whole_job": whole_job.measure,
    "memory": memory.measure,
}


def written(page: str, name: str, text: str) -> str:
    """The page with the result of one benchmark between its markers."""
    block = re.compile(rf"(<!-- bench: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    return block.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def main() -> None:
    """Measure what was asked for, print the tables, and write them into the docs with `--write`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; all without")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE}")
    given = parser.parse_args()
    unknown = set(given.names) - ALL.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(ALL)}")
    for name in given.names or ALL:
        text = f"{ALL[name]()}\n\n{here()}"
        print(f"\n## {name}\n\n{text}", flush=True)
        if given.write:
            PAGE.write_text(written(PAGE.read_text(), name, text))


if __name__ == "__main__":
    main()
