"""Numbers and names as people read them."""

import re
from fractions import Fraction

_ALIASES = {
    "mkv": "matroska",
    "ts": "mpegts",
    "m2ts": "mpegts",
    "mts": "mpegts",
    "mpg": "mpeg",
    "vob": "mpeg",
}
_SHORT = {"mov": "mp4", "matroska": "mkv"}

_SPECIAL = re.compile(
    r"[\\`*\[\]|~&$]"  # always
    r"|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"  # an emphasis begins or ends outside words only
    r"|<(?![\s=\d])"  # a tag begins with a letter or a sign
    r"|^\s*[>#]|#(?=\s*$)"  # a quotation or a heading begins a line, and a heading ends with it
)


def rate_text(rate: Fraction | None) -> str:
    """`23.976 fps (24000/1001)`, `25 fps`, or `variable` for None."""
    if rate is None:
        return "variable"
    if rate.denominator == 1:
        return f"{rate.numerator} fps"
    return f"{float(rate):.3f} fps ({rate.numerator}/{rate.denominator})"


def duration_text(seconds: Fraction | float) -> str:
    """`0.40 s`, `7.5 s`, `2 min 05 s`, `1 h 02 min 05 s`."""
    if seconds < 1:
        return f"{float(seconds):.2f} s"
    if round(float(seconds), 1) < 60:
        return f"{float(seconds):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"


def size_text(size: int) -> str:
    """`812 bytes`, `14.2 kB`, `1.1 GB`: powers of 1000, as disks are sold."""
    if size < 1000:
        return f"{size} bytes"
    units = iter(("kB", "MB", "GB", "TB"))
    value, unit = size / 1000, next(units)
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


def share_text(part: int, whole: int) -> str:
    """`37 %`, or `0 %` of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def plain(text: str) -> str:
    """One line without control characters: they become spaces, so that no name can break out of its place."""
    return "".join(" " if not char.isprintable() else char for char in text)


def escaped(text: str) -> str:
    """Text that markdown shows as it is, also in a table cell, on one line, with few backslashes."""
    return _SPECIAL.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", plain(text))


def container_text(formats: str, name: str) -> str:
    """`mp4` for ffmpeg's `mov,mp4,m4a,3gp,3g2,mj2`: by the file's suffix where that is one of its names."""
    suffix = name.rsplit(".", 1)[-1].lower()
    known = formats.split(",")
    if suffix in known or _ALIASES.get(suffix) in known:
        return suffix
    return _SHORT.get(known[0], known[0])
