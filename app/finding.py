"""What looking at a machine comes to."""

from sakuga.media.info import Frozen


class Finding(Frozen):
    """One thing that was looked at. What is `needed` and not `ok` keeps Sakuga from working."""

    name: str
    ok: bool
    needed: bool
    found: str
    advice: str = ""
