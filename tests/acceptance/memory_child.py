"""A program: one chunk by a network, in as many more megabytes as its arguments allow.

Arguments: clip, checkpoint, folder of results, megabytes (0 for no limit), back end, precision.
"""

import resource
import sys
from pathlib import Path

import torch

from sakuga.enhance.spec import EnhanceSpec
from sakuga.models.cores import on_one_core
from sakuga.models.engines.choose import open_engine
from sakuga.models.networks.checkpoint import load_checkpoint
from sakuga.models.neural import NeuralUpscaler
from tests.acceptance.jobs import make_chunks


def main(clip: str, checkpoint: str, folder: str, megabytes: str, backend: str, precision: str) -> None:
    """Make the chunk, trying whole pictures first; say how many pixels at once fitted in the end."""
    spec = EnhanceSpec.model_validate(
        {"backend": backend, "precision": precision, "scale": 1, "quality": 0, "preset": "ultrafast"}
        | {"model": checkpoint, "reuse": "off"}
    )
    network = load_checkpoint(Path(checkpoint))
    engine = open_engine(
        network, digest="-", size=(64, 48), device="cpu", precision=spec.precision, backend=spec.backend
    )
    # libraries and threads take their address space now
    engine.run(torch.rand(1, 3, 32, 32))
    on_one_core(lambda: None)
    if int(megabytes):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (int(megabytes) << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    upscaler = NeuralUpscaler("-", "-", engine, network, 1 << 40)
    make_chunks(Path(clip), Path(folder), spec, upscaler)
    sys.stdout.write(f"{upscaler._budget.pixels}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
