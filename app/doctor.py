"""What is on this machine, what is missing, and how to get it."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_args

from app.doctor_models import examine_models
from app.finding import Finding
from app.server import configured_server
from sakuga import __version__
from sakuga.errors import SakugaError
from sakuga.media.codecs import Codec, encoder_name, encoders_here
from sakuga.media.ffmpeg import ffmpeg_path
from sakuga.models.registry import built_in_cards
from sakuga.settings import Settings, home, load_settings

FREE_BYTES_WANTED = 5 * 10**9


def examine() -> list[Finding]:
    """Everything worth knowing about this machine, the program itself first."""
    findings = [
        _found("sakuga", f"{__version__} on Python {platform.python_version()}, {platform.platform()}")
    ]
    try:
        settings = load_settings()
    except SakugaError as error:
        return [
            *findings,
            Finding(name="settings", ok=False, needed=True, found=str(error), advice="Correct the setting."),
        ]
    return [
        *findings,
        _ffmpeg(settings),
        *_encoders(),
        _found("models", ", ".join(card.name for card in built_in_cards())),
        *examine_models(settings),
        *_devices(),
        *_prefect(),
        _folder("home", home()),
        _folder("scratch", settings.scratch_root),
        _folder("store", settings.store_root),
        _folder("models", settings.models_root),
    ]


def _found(name: str, text: str) -> Finding:
    return Finding(name=name, ok=True, needed=True, found=text)


def _ffmpeg(settings: Settings) -> Finding:
    try:
        path = ffmpeg_path(settings)
        head = subprocess.run(
            [path, "-hide_banner", "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
    except (SakugaError, OSError, subprocess.SubprocessError) as error:
        return Finding(
            name="ffmpeg",
            ok=False,
            needed=True,
            found=str(error),
            advice="Unset FFMPEG_PATH, or run: pip install imageio-ffmpeg.",
        )
    return _found("ffmpeg", f"{head.splitlines()[0]} ({path})")


def _encoders() -> list[Finding]:
    here = encoders_here()
    software = [encoder_name(codec) for codec in get_args(Codec)]
    findings = [
        Finding(
            name=f"encoder {name}",
            ok=here[name],
            needed=True,
            found="works" if here[name] else "does not work",
            advice="" if here[name] else "Install PyAV from its own wheels: pip install av.",
        )
        for name in software
    ]
    usable = [name for name, works in here.items() if works and name not in software]
    advice = (
        "" if usable else "They need a card and its driver; --hardware asks for them, and nothing else does."
    )
    found = ", ".join(usable) or "none on this machine"
    return [
        *findings,
        Finding(name="hardware encoders", ok=bool(usable), needed=False, found=found, advice=advice),
    ]


def _devices() -> list[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    findings = [_found("cpu", f"{cores} cores")]
    if program := shutil.which("nvidia-smi"):
        asked = subprocess.run(
            [program, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if asked.returncode == 0:
            findings.append(_found("gpu", asked.stdout.strip().replace("\n", "; ")))
    return findings


def _prefect() -> list[Finding]:
    try:
        found = _found("prefect", version("prefect"))
    except PackageNotFoundError:
        advice = "Run: make setup."
        return [Finding(name="prefect", ok=False, needed=True, found="not installed", advice=advice)]
    url = configured_server()
    return [found, _found("prefect server", url or "none configured; each run starts a private one")]


def _folder(name: str, path: Path) -> Finding:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    writable = os.access(there, os.W_OK)
    free = shutil.disk_usage(there).free
    enough = free >= FREE_BYTES_WANTED
    if not writable:
        advice = f"Make {there} writable, or set SAKUGA_HOME to another folder."
    elif not enough:
        advice = "Free some space, or run: sakuga clean."
    else:
        advice = ""
    found = f"{path}, {free / 1e9:.1f} GB free"
    return Finding(
        name=f"folder {name}", ok=writable and enough, needed=not writable, found=found, advice=advice
    )
