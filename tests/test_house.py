import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from app import reference

ROOT = Path(__file__).parent.parent
FLOORS = ("app", "flows", "tasks", "blocks", "sakuga")
"""From the top of the house down."""
ROOMS = {
    "sakuga.quality": ("sakuga.analysis",),
    "sakuga.analysis": ("sakuga.quality",),
    "sakuga.enhance": ("sakuga.quality", "sakuga.analysis"),
    "sakuga.media": ("sakuga.quality", "sakuga.analysis", "sakuga.enhance", "sakuga.models"),
    "sakuga.models": ("sakuga.quality", "sakuga.analysis", "sakuga.enhance"),
}
"""Rooms of the engine, each with those it must not know."""
NOT_IN_THE_ENGINE = ("prefect", "fastapi", "typer", "rich", "httpx", "boto3")
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400


def sources(*floors: str) -> list[Path]:
    return [path for floor in floors for path in sorted((ROOT / floor).rglob("*.py"))]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_imports_only_point_down() -> None:
    upward = [
        f"{path.relative_to(ROOT)} imports {name}"
        for level, floor in enumerate(FLOORS)
        for path in sources(floor)
        for name in imported(path)
        if name.split(".")[0] in FLOORS[:level]
    ]
    assert upward == []


def test_the_engine_knows_no_framework() -> None:
    known = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("sakuga")
        for name in imported(path)
        if name.split(".")[0] in NOT_IN_THE_ENGINE
    ]
    assert known == []


@pytest.mark.parametrize("room", ROOMS)
def test_within_the_engine_imports_point_down(room: str) -> None:
    upward = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(room.replace(".", "/"))
        for name in imported(path)
        if any(within(name, other) for other in ROOMS[room])
    ]
    assert upward == []


def test_only_one_place_opens_inputs_with_pyav() -> None:
    opens = [
        str(path.relative_to(ROOT))
        for path in sources(*FLOORS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "av.open"
        and not any(isinstance(argument, ast.Constant) and argument.value == "w" for argument in node.args)
        and not any(
            keyword.arg == "mode" and ast.unparse(keyword.value) == "'w'" for keyword in node.keywords
        )
    ]
    assert opens == ["sakuga/media/open.py"]


def test_library_code_does_not_print() -> None:
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(*FLOORS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_files_and_functions_stay_short() -> None:
    long = [
        str(path.relative_to(ROOT))
        for path in sources(*FLOORS, "deployments", "tests", "benchmarks", "training")
        if path.read_text().count("\n") > MAX_FILE_LINES
    ]
    long += [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in sources(*FLOORS, "deployments", "tests", "benchmarks", "training")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_file_holds_the_path_of_one_machine() -> None:
    places = re.compile(r"(?<![\w.])/(home|root|Users|work|mnt)/\w")
    texts = [
        path
        for pattern in ("*.py", "*.md", "*.toml", "*.txt", "Makefile", "*.yaml")
        for path in ROOT.rglob(pattern)
        if not any(part.startswith(".") or part in ("demo", "build") for part in path.relative_to(ROOT).parts)
    ]
    held = [str(path.relative_to(ROOT)) for path in texts if places.search(path.read_text())]
    assert held == []


def test_constraints_are_exact_pins_without_addresses() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    wrong = [line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[\w.+!]+", line)]
    assert wrong == []


def test_the_option_tables_are_those_of_the_code() -> None:
    page = (ROOT / reference.PAGE).read_text()
    assert reference.BLOCK.findall(page), "the page has lost its tables"
    assert page == reference.rewritten(page), "run `python -m app.reference`"


def documents() -> dict[str, str]:
    return {path.name: path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}


def test_every_documented_flag_exists() -> None:
    known = {flag for flags in reference.flags().values() for flag in flags} | {"--help", "--write"}
    unknown = {
        f"{name}: {flag}"
        for name, text in documents().items()
        for line in re.findall(
            r"sakuga (?:enhance|probe|models|doctor|clean|farm|jobs|episode)\b[^\n]*", text
        )
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)
        if flag not in known
    }
    assert unknown == set()


@pytest.mark.parametrize(
    ("file", "flow", "page"),
    [
        ("enhance", "enhance", "prefect.md"),
        ("episode", "episode", "episodes.md"),
        ("watch", "watch_folder", "watching.md"),
        ("cleanup", "cleanup", "watching.md"),
    ],
)
def test_every_parameter_of_a_flow_is_documented(file: str, flow: str, page: str) -> None:
    (made,) = (
        node
        for node in tree(ROOT / "flows" / f"{file}.py").body
        if isinstance(node, ast.FunctionDef) and node.name == flow
    )
    rows = set(re.findall(r"^\| `(\w+)", documents()[page], re.MULTILINE))
    assert {argument.arg for argument in made.args.args} <= rows


def test_every_documented_link_leads_somewhere() -> None:
    broken = [
        f"{name}: {target}"
        for name, text in documents().items()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        if not (ROOT / ("" if name == "README.md" else "docs") / target).exists()
    ]
    assert broken == []


def test_every_documented_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {target for text in documents().values() for target in re.findall(r"`make ([a-z-]+)", text)}
    assert asked <= targets


def test_the_engine_starts_without_the_orchestrator() -> None:
    code = "import sys, sakuga.enhance.chunk, sakuga.quality.report; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_what_runs_beside_the_import_of_prefect_does_not_import_it_too() -> None:
    ahead = "import sys, app.jobs as jobs; jobs.Runner._ahead(None, jobs.Item(jobs.Path('README.md')))"
    code = f"{ahead}; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
