import re

from sakuga import errors
from sakuga.errors import SakugaError


def drawn(kind: type[SakugaError], depth: int = 0) -> list[tuple[int, str]]:
    """A class and those below it, with how deep they are."""
    below = [row for child in kind.__subclasses__() for row in drawn(child, depth + 1)]
    return [(depth, kind.__name__), *below]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    lines = re.findall(r"^((?:\|   )*)(\+-- )?([A-Z]\w+)(?= |$)", errors.__doc__ or "", re.MULTILINE)
    tree = [(len(bars) // 4 + bool(branch), name) for bars, branch, name in lines if name != "Everything"]
    assert tree == drawn(SakugaError)


def test_every_error_is_defined_in_the_one_module() -> None:
    import app.server
    import flows.enhance

    assert app.server
    assert flows.enhance
    assert all(vars(errors)[name].__module__ == "sakuga.errors" for _, name in drawn(SakugaError))
