"""Runs the official Real-ESRGAN package, by the Python of `reference`: task file in, answer file out.

It imports nothing of Sakuga. A task is {"kind": "network", ...} or {"kind": "job", ...}, the arguments of the
function of that name.
"""

import importlib.abc
import importlib.machinery
import json
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTED = time.monotonic()


class TorchvisionStandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Torchvision's modules, holding functions that refuse to be called.

    The package imports it for training, from a module that later versions no longer have; upscaling calls
    none of it, and a call would end the benchmark.
    """

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A stand-in for torchvision and all below it."""
        del path, target
        is_part = fullname.partition(".")[0] == "torchvision"
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if is_part else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """A module that has every name."""
        module = types.ModuleType(spec.name)
        module.__dict__["__version__"] = "0"
        module.__dict__["__getattr__"] = _absent
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is left to do."""


def _absent(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(f"torchvision's {name} was called, which upscaling does not need.")

    return refuse


def open_reference(weights: str, convolutions: int) -> Any:  # noqa: ANN401 - an object of the package
    """RealESRGANer as the project's own script makes it, for a compact network of 4x in fp32."""
    sys.meta_path.insert(0, TorchvisionStandIn())
    from realesrgan import RealESRGANer  # type: ignore[import-not-found]
    from realesrgan.archs.srvgg_arch import SRVGGNetCompact  # type: ignore[import-not-found]

    network = SRVGGNetCompact(
        num_in_ch=3, num_out_ch=3, num_feat=64, num_conv=convolutions, upscale=4, act_type="prelu"
    )
    return RealESRGANer(
        scale=4, model_path=weights, model=network, tile=0, tile_pad=10, pre_pad=0, half=False, device="cpu"
    )


def network(weights: str, convolutions: int, pictures: list[str], runs: int) -> dict[str, Any]:
    """Upscale pictures, each `runs` times.

    Args:
        weights: an official file.
        convolutions: inner convolutions of its network.
        pictures: files of numpy arrays of 8-bit B, G, R; beside each, with the suffix `.out.npy`, the
            network's result is left, before rounding: fp32 of shape (3, height * 4, width * 4), R, G, B.
        runs: after one that is not counted.

    Returns:
        `seconds`: for each picture, the seconds of each run.
    """
    import numpy as np

    upscaler = open_reference(weights, convolutions)
    seconds = []
    for name in pictures:
        picture = np.load(name)
        upscaler.enhance(picture[:64, :64])
        taken = []
        for _ in range(runs):
            begun = time.monotonic()
            upscaler.enhance(picture)
            taken.append(time.monotonic() - begun)
        seconds.append(taken)
        np.save(Path(name).with_suffix(".out.npy"), upscaler.output[0].numpy())
    return {"seconds": seconds}


def encoding(ffmpeg: str, size: tuple[int, int], rate: str, source: str) -> list[str]:
    """The start of a command that takes raw pictures, and the sound of `source`."""
    return [
        *(ffmpeg, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24"),
        *("-s", f"{size[0]}x{size[1]}", "-framerate", rate, "-i", "pipe:", "-i", source),
        *("-map", "0:v", "-map", "1:a?", "-c:a", "copy", "-shortest", "-pix_fmt", "yuv420p"),
    ]


def job(
    weights: str,
    convolutions: int,
    source: str,
    result: str,
    ffmpeg: str,
    size: list[int],
    rate: str,
    frames: int,
    scale: int,
    coding: list[str],
) -> dict[str, Any]:
    """Enhance a clip as the project's video script does: ffmpeg, one frame at a time, ffmpeg.

    Args:
        weights: an official file.
        convolutions: inner convolutions of its network.
        source: the clip.
        result: file to write, with the clip's sound.
        ffmpeg: the program.
        size: width and height of the clip.
        rate: frames per second.
        frames: how many to do, from the first.
        scale: factor from the clip to the result; the network's 4 is resized to it.
        coding: ffmpeg's options for video.

    Returns:
        `start`: seconds until the first frame can be given to the network, and `frames`: seconds from then
        until the file is closed.
    """
    import numpy as np

    upscaler = open_reference(weights, convolutions)
    width, height = size
    decoder = subprocess.Popen(
        [
            *(ffmpeg, "-v", "error", "-i", source, "-map", "0:v:0", "-frames:v", str(frames)),
            *("-f", "rawvideo", "-pix_fmt", "bgr24", "pipe:"),
        ],
        stdout=subprocess.PIPE,
    )
    encoder = subprocess.Popen(
        [*encoding(ffmpeg, (width * scale, height * scale), rate, source), *coding, result],
        stdin=subprocess.PIPE,
    )
    assert decoder.stdout is not None
    assert encoder.stdin is not None
    begun = time.monotonic()
    length = width * height * 3
    while len(data := decoder.stdout.read(length)) == length:
        picture = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        larger, _ = upscaler.enhance(picture, outscale=scale)
        encoder.stdin.write(larger.tobytes())
    encoder.stdin.close()
    if decoder.wait() or encoder.wait():
        raise RuntimeError("ffmpeg failed.")
    return {"start": begun - STARTED, "frames": time.monotonic() - begun}


def main() -> None:
    """Do the task of the first file and answer into the second."""
    task = json.loads(Path(sys.argv[1]).read_text())
    kinds: dict[str, Callable[..., dict[str, Any]]] = {"network": network, "job": job}
    do = kinds[task.pop("kind")]
    Path(sys.argv[2]).write_text(json.dumps(do(**task)))


if __name__ == "__main__":
    main()
