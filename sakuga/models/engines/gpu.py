"""GPUs do later what they are given: by one thread at a time, and with the same settings for all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_giving = threading.Lock()
"""cuDNN's settings belong to the whole process, and while a graph is captured nobody may empty the cache."""


@contextmanager
def giving_work(device: torch.device) -> Iterator[None]:
    """Around the work of a network; it does nothing on other devices than CUDA's. Not to be nested.

    cuDNN takes the kernels that its heuristics name for a shape. Trying which ones are the fastest would
    choose others in another process, and in another thread (PyTorch keeps what it tried by thread): half
    precision would then give other bits. fp32 is fp32: TF32 has 10 bits.
    """
    if device.type != "cuda":
        yield
        return
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with _giving, torch.cuda.device(device), flags:
        yield


def empty_cache(device: torch.device) -> None:
    """Give back what the device's allocator keeps for later; nothing on a CPU."""
    if device.type == "cuda":
        with _giving, torch.cuda.device(device):
            torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
