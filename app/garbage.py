"""Garbage of a Prefect server, collected outside the thread of its event loop.

On SQLite a refused statement leaves its cursor in a cycle of exception and frames. To free it takes the mutex
of its connection, which another thread may hold while it waits for the database's lock. Where the event loop
does so, whoever has that lock cannot give it back, and the server answers nobody for a minute, SQLite's busy
timeout in Prefect. In a thread of its own the collector may wait.
"""

import gc
import threading
import time

PERIOD = 0.5
"""Seconds between two looks; what a server allocates meanwhile is a few megabytes."""


def collect_aside() -> None:
    """Collect the garbage of this process in a thread of its own from now on, as often as Python would."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    while True:
        time.sleep(PERIOD)
        due = [count > most for count, most in zip(gc.get_count(), gc.get_threshold(), strict=True)]
        # an older generation is counted in collections of the younger one
        if any(due):
            gc.collect(max(generation for generation, over in enumerate(due) if over))
