"""The flows of a farm with chunks that wait: each takes `SAKUGA_BENCH_SECONDS`, as if a GPU worked on it.

The chunk itself is made all the same, of tiny pictures; everything around it is what a job always does.
"""

import os
import time
from typing import Any

import tasks.chunk
from flows.chunks import enhance_chunks
from flows.enhance import enhance
from sakuga.enhance.chunk import ChunkResult
from sakuga.enhance.chunk import enhance_chunk as compute
from sakuga.errors import CancelledError

__all__ = ["enhance", "enhance_chunks"]

SECONDS = float(os.environ.get("SAKUGA_BENCH_SECONDS", "0"))


def waiting(*given: Any, **named: Any) -> ChunkResult:  # noqa: ANN401 - whatever a chunk is made of
    """Make a chunk, and let it take its time."""
    until = time.monotonic() + SECONDS
    result = compute(*given, **named)
    while time.monotonic() < until:
        if named["cancelled"]():
            raise CancelledError("Cancelled while it waited.")
        time.sleep(0.05)
    return result


tasks.chunk.compute = waiting  # type: ignore[attr-defined]
