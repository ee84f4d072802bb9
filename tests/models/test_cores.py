"""Conversions stay on one core, and nothing else loses its cores by that."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch")

from sakuga.models.cores import THREADS, on_one_core  # noqa: E402


def test_work_is_done_on_one_core_by_every_thread() -> None:
    with ThreadPoolExecutor(2 * THREADS) as pool:
        counts = list(pool.map(lambda _: on_one_core(torch.get_num_threads), range(8 * THREADS)))
    assert set(counts) == {1}


def test_other_threads_old_and_new_keep_their_cores() -> None:
    before = torch.get_num_threads()
    on_one_core(lambda: torch.ones(8).sum())
    with ThreadPoolExecutor(1) as pool:
        assert (torch.get_num_threads(), pool.submit(torch.get_num_threads).result()) == (before, before)


BEGINNING = """
import random, time
from concurrent.futures import ThreadPoolExecutor
import torch
from sakuga.models.cores import on_one_core

def first(_):
    time.sleep(random.random() / 500)
    on_one_core(torch.get_num_threads)

before = torch.get_num_threads()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(first, range(8)))
with ThreadPoolExecutor(1) as pool:
    assert pool.submit(torch.get_num_threads).result() == before
"""


def test_threads_that_begin_at_once_take_no_cores_from_others() -> None:
    subprocess.run([sys.executable, "-c", BEGINNING], check=True)


def test_an_error_comes_to_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        on_one_core(lambda: 1 // 0)
