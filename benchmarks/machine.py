"""This machine in a line, and tables."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil


def here() -> str:
    """Processor, cores, memory, versions and date, as one line."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    processor = found[1].strip() if found else platform.processor() or platform.machine()
    gib = psutil.virtual_memory().total / 2**30
    return (
        f"{processor}, {os.cpu_count()} cores, {gib:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}."
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(value: float, bound: float) -> str:
    """Whether a measured value is under its bound."""
    return "yes" if value < bound else "NO"
