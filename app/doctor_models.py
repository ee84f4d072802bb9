"""What runs models, and which weights are here; all but OpenVINO may be absent."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import numpy as np

from app.finding import Finding
from app.models_here import listing
from sakuga.errors import SakugaError
from sakuga.models.cards import INSTALL
from sakuga.models.own import own_cards, own_network, own_precision
from sakuga.settings import Settings

RUNNERS = {
    "torch": f"Only for Real-ESRGAN, RIFE and checkpoints; {INSTALL}.",
    "spandrel": f"Only for checkpoints of other networks; {INSTALL}.",
}
"""Packages that the base installation does without, with how to get them."""


def examine_models(settings: Settings) -> list[Finding]:
    """Findings on packages, on devices that a network can run on, and on weights."""
    packages = (_package(name, advice) for name, advice in RUNNERS.items())
    return [_own_networks(), *packages, *_devices(), _weights(settings)]


def _own_networks() -> Finding:
    """Whether our own networks run, each of them."""
    try:
        names = [card.name for card in own_cards()]
        precision = own_precision("auto")
        for name in names:
            own_network(name, precision).enlarge(np.zeros((8, 8), np.float32))
    except (SakugaError, RuntimeError) as error:
        return Finding(
            name="own networks",
            ok=False,
            needed=True,
            found=str(error),
            advice="Install Sakuga anew: rm -rf .venv; make setup.",
        )
    found = f"{', '.join(names)} (OpenVINO {version('openvino')}, {precision})"
    return Finding(name="own networks", ok=True, needed=True, found=found)


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
