"""Text as YAML and JSON hold it."""

import re

_PLAIN = re.compile(r"[A-Za-z0-9_./](?:[\w./ -]*[\w./-])?", re.ASCII)
_NUMBERS = re.compile(r"[0-9._]*(?:[eE][-+]?[0-9_]+)?|0[xXoObB][0-9a-fA-F_]+|[0-9]{4}-[0-9]+-[0-9]+.*")
_OTHER = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"))
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
MAX_PLAIN = 100


def scalar(text: str) -> str:
    """Text as a value of YAML: as it is where every reader takes it for text, else in quotes."""
    simple = _PLAIN.fullmatch(text) and not _NUMBERS.fullmatch(text) and len(text) <= MAX_PLAIN
    return text if simple and text.lower() not in _OTHER else in_quotes(text)


def in_quotes(text: str) -> str:
    """Text in double quotes, with escapes that YAML and JSON read alike.

    What lies beyond the first 65536 characters of Unicode is not escaped: JSON would write it as two halves,
    which YAML refuses.
    """
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return letter if letter.isprintable() or ord(letter) > 0xFFFF else f"\\u{ord(letter):04x}"
