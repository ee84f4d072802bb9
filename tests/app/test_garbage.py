"""Garbage of a server is freed, and never by the thread of its event loop."""

import subprocess
import sys

PROGRAM = """
import threading, time
from app.garbage import collect_aside

freed = []

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        freed.append(threading.current_thread().name)

collect_aside()
until = time.monotonic() + 30
while len(freed) < 100_000 and time.monotonic() < until:
    for _ in range(1000):
        Cycle()
    time.sleep(0.001)
print(len(freed) >= 100_000, sorted(set(freed)))
"""


def test_cycles_are_freed_in_a_thread_of_their_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "True ['garbage']"
