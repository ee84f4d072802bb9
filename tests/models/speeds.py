"""How fast our own networks are, as a home remembers it."""

from importlib.metadata import version

from sakuga.models.engines import calibration
from sakuga.models.own import own_digest, own_precision
from sakuga.models.processes import cpus

FAST, SLOW = 1e9, 1e3
"""Source pixels a second: far beyond what any of the tests' videos need, and far below."""


def give_speed(name: str, speed: float) -> None:
    """Make this home believe that a network has been measured."""
    precision = own_precision("auto")
    situation = calibration.Situation(
        own_digest(name), "cpu", 0, precision, f"openvino {version('openvino')}", cpus()
    )
    calibration.remember(situation, calibration.Kept(backend="openvino", precision=precision, speed=speed))
