"""The processes that the networks run in: real ones, killed for real."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from sakuga.errors import MissingToolError, SubprocessError
from sakuga.media.picture import Plane
from sakuga.media.resize import Levels
from sakuga.models.processes import NetworkProcesses

LEVELS = Levels.of(8, False, chroma=False)
GONE_WITHIN = 5.0
"""Seconds in which a process notices that its parent is gone; it does so at once."""


def plane(seed: int, size: tuple[int, int] = (96, 64)) -> Plane:
    return np.random.default_rng(seed).integers(16, 236, (size[1], size[0]), np.uint8)


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if any("network_child" in part for part in child.cmdline())
    ]


def keep_busy(processes: NetworkProcesses) -> None:
    for seed in range(1000):
        processes.enlarge_luma("acnet-hdn0", plane(seed, (640, 480)), LEVELS, LEVELS, (1280, 960))


def test_a_process_gives_what_the_network_gives(tmp_path: Path) -> None:
    # in a process of its own: beside other libraries, loading pyanime4k can crash
    script = (
        "import sys, numpy as np\n"
        "from sakuga.media.resize import Levels\n"
        "from sakuga.models.network import enlarge_luma\n"
        "levels, luma = Levels.of(8, False, chroma=False), np.load(sys.argv[2])\n"
        "np.save(sys.argv[3], enlarge_luma(sys.argv[1], luma, levels, levels, (192, 128)))\n"
    )
    np.save(tmp_path / "luma.npy", plane(1))
    processes = NetworkProcesses(1)
    for name in ("acnet-hdn0", "arnet-hdn", "acnet-hdn0"):
        result = processes.enlarge_luma(name, plane(1), LEVELS, LEVELS, (192, 128))
        files = tmp_path / "luma.npy", tmp_path / f"{name}.npy"
        subprocess.run([sys.executable, "-c", script, name, *files], check=True)
        assert np.array_equal(result, np.load(files[1]))
    processes.close()


def test_there_are_no_more_processes_than_asked_for_and_none_after_closing() -> None:
    before = set(children())
    processes = NetworkProcesses(2)
    with ThreadPoolExecutor(5) as threads:
        wanted = [
            threads.submit(processes.enlarge_luma, "acnet-hdn0", plane(seed), LEVELS, LEVELS, (192, 128))
            for seed in range(10)
        ]
        for future in wanted:
            future.result()
    assert 1 <= len(set(children()) - before) <= 2
    processes.close()
    assert set(children()) - before == set()


def test_an_error_of_the_network_comes_back_as_it_is() -> None:
    processes = NetworkProcesses(1)
    with pytest.raises(MissingToolError, match="no-such-model"):
        processes.enlarge_luma("no-such-model", plane(1), LEVELS, LEVELS, (192, 128))
    assert processes.enlarge_luma("acnet-hdn0", plane(1), LEVELS, LEVELS, (192, 128)).shape == (128, 192)
    processes.close()


def test_a_killed_process_is_an_error_that_another_try_can_help() -> None:
    before = set(children())
    processes = NetworkProcesses(2)
    processes.enlarge_luma("acnet-hdn0", plane(1), LEVELS, LEVELS, (192, 128))
    (child,) = set(children()) - before
    killer = threading.Timer(0.1, child.send_signal, [signal.SIGKILL])
    killer.start()
    with pytest.raises(SubprocessError) as caught:
        keep_busy(processes)
    assert caught.value.retryable
    assert processes.enlarge_luma("acnet-hdn0", plane(1), LEVELS, LEVELS, (192, 128)).shape == (128, 192)
    processes.close()


def test_the_processes_end_with_their_parent_however_that_ends() -> None:
    script = (
        "import numpy as np, time\n"
        "from sakuga.media.resize import Levels\n"
        "from sakuga.models.processes import network_processes\n"
        "levels = Levels.of(8, False, chroma=False)\n"
        "luma = np.full((16, 16), 100, np.uint8)\n"
        "network_processes().enlarge_luma('acnet-hdn0', luma, levels, levels, (32, 32))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    assert parent.stdout.readline() == "ready\n"
    own = psutil.Process(parent.pid).children()
    assert own
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert psutil.wait_procs(own, GONE_WITHIN)[1] == []
