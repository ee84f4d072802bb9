"""Run benchmarks: `python -m benchmarks [NAME ...] [--write]`."""

import argparse
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.machine import here

PAGE = Path("docs/performance.md")
PAGES = (PAGE, Path("docs/models.md"))
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "pipeline": {
        "plan_time": ("plan_time", "measure"),
        "pipeline_cost": ("pipeline_cost", "measure"),
        "whole_job": ("whole_job", "measure"),
        "memory": ("memory", "measure"),
    },
    "models": {
        "networks": ("networks", "measure"),
        "parity": ("networks", "measure_parity"),
        "reuse": ("reuse", "measure"),
        "reference_job": ("reference_job", "measure"),
    },
    "own": {
        "own_drawn": ("own", "measure_drawn"),
        "own_filmed": ("own", "measure_filmed"),
        "own_sharp": ("own", "measure_sharp"),
        "own_speed": ("own", "measure_speed"),
        "own_flicker": ("own", "measure_flicker"),
    },
    "episode": {
        "episode_time": ("episode", "measure"),
        "episode_memory": ("episode", "measure_memory"),
    },
    "farm": {
        "farm_overhead": ("farm", "measure_overhead"),
        "farm_scaling": ("farm", "measure_scaling"),
        "farm_postgres": ("farm", "measure_postgres"),
        "farm_server": ("farm_server", "measure"),
    },
}
"""Modules and their functions; some import PyTorch, so that each is imported when it is run."""

ALL = {name: place for group in GROUPS.values() for name, place in group.items()}


def written(page: str, name: str, text: str) -> str:
    """The page with the result of one benchmark between its markers."""
    block = re.compile(rf"(<!-- bench: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    return block.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def measure(name: str) -> str:
    """The table of one benchmark."""
    module, function = ALL[name]
    run: Callable[[], str] = getattr(import_module(f"benchmarks.{module}"), function)
    return run()


def main() -> None:
    """Measure what was asked for, print the tables, and write them into the docs with `--write`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = (*GROUPS, *ALL)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; pipeline without")
    parser.add_argument("--write", action="store_true", help="write the tables into the docs")
    given = parser.parse_args()
    unknown = set(given.names) - set(known)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    for name in (each for asked in given.names or ["pipeline"] for each in GROUPS.get(asked, {asked: ()})):
        text = f"{measure(name)}\n\n{here()}"
        print(f"\n## {name}\n\n{text}", flush=True)
        if given.write:
            for page in PAGES:
                page.write_text(written(page.read_text(), name, text))


if __name__ == "__main__":
    main()
