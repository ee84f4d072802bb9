"""What runs models that are downloaded, and which weights are here; all of it may be absent."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from app.finding import Finding
from app.models_here import listing
from sakuga.models.cards import INSTALL
from sakuga.settings import Settings

RUNNERS = {
    "torch": f"Only for Real-ESRGAN, RIFE and checkpoints; {INSTALL}.",
    "openvino": f"Only for networks on a CPU, mostly faster there than PyTorch; {INSTALL}.",
    "spandrel": f"Only for checkpoints of other networks; {INSTALL}.",
}
"""Packages that the base installation does without, with how to get them."""


def examine_models(settings: Settings) -> list[Finding]:
    """Findings on packages, on devices that a network can run on, and on weights."""
    return [*(_package(name, advice) for name, advice in RUNNERS.items()), *_devices(), _weights(settings)]


def _package(name: str, advice: str) -> Finding:
    if find_spec(name) is None:
        return Finding(name=name, ok=False, needed=False, found="not installed", advice=advice)
    try:
        found = version(name)
    except PackageNotFoundError:
        found = "of unknown version"
    return Finding(name=name, ok=True, needed=False, found=found)


def _devices() -> list[Finding]:
    """Devices that PyTorch finds; none where it is not installed, or does not start."""
    if find_spec("torch") is None:
        return []
    try:
        from sakuga.models.engines.choose import devices_here

        found = ", ".join(f"{device.name} ({device.description})" for device in devices_here())
    except (ImportError, OSError, RuntimeError) as error:
        return [
            Finding(
                name="devices",
                ok=False,
                needed=False,
                found=f"PyTorch does not start: {error}",
                advice="Install PyTorch anew: rm -rf .venv/.models; make models.",
            )
        ]
    return [Finding(name="devices", ok=True, needed=False, found=found)]


def _weights(settings: Settings) -> Finding:
    states = {model.name: model.state for model in listing(settings) if model.files}
    damaged = [name for name, state in states.items() if state == "damaged"]
    here = ", ".join(name for name, state in states.items() if state == "present") or "none yet"
    found = f"{here}; damaged: {', '.join(damaged)}" if damaged else here
    advice = f"Run: sakuga models fetch {' '.join(damaged)}." if damaged else ""
    return Finding(name="weights", ok=not damaged, needed=False, found=found, advice=advice)
