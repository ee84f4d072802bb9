"""The reference implementation, the `realesrgan` package, in an environment and a process of its own."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("reference.txt")
CHILD = Path(__file__).with_name("reference_child.py")

IMPORTED = ("torch", "numpy", "opencv-python-headless", "scipy", "requests", "tqdm", "pyyaml")
"""What the package imports on the way to its upscaler; for torchvision the child has a stand-in."""

READY = "ready"
"""File that is written when everything is installed."""

BUILD = ("setuptools", "wheel")
OFFICIAL = ("basicsr", "realesrgan")
"""Installed without what they ask for: GFPGAN, facexlib, TensorBoard and torchvision do not upscale."""


def reference_python() -> Path:
    """The environment's Python; the environment is made at the first call, once for each set of pins.

    Raises:
        RuntimeError: it could not be made; the message is pip's.
    """
    folder = _folder()
    python = folder / "bin" / "python"
    if not reference_is_ready():
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        pip = (str(python), "-m", "pip", "install", "--quiet", "--constraint", str(PINS))
        _run(*pip, *BUILD, *IMPORTED)
        # their packages were written for tools that make a build environment without pins
        _run(*pip, "--no-deps", "--no-build-isolation", *OFFICIAL)
        (folder / READY).touch()
    return python


def reference_is_ready() -> bool:
    """Whether the environment has been made."""
    return (_folder() / READY).exists()


def _folder() -> Path:
    mark = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "sakuga-benchmarks" / f"reference-{mark}"


def ask_reference(task: dict[str, Any]) -> dict[str, Any]:
    """What the reference answers to a task; see `reference_child`.

    Raises:
        RuntimeError: it failed; the message is its own.
    """
    python = reference_python()
    with tempfile.TemporaryDirectory() as name:
        asked, answered = Path(name) / "task.json", Path(name) / "answer.json"
        asked.write_text(json.dumps(task))
        _run(str(python), "-W", "ignore", str(CHILD), str(asked), str(answered))
        answer: dict[str, Any] = json.loads(answered.read_text())
    return answer


def _run(*argv: str) -> None:
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(argv[:6])} failed: {ended.stderr[-2000:] or ended.stdout[-2000:]}")
