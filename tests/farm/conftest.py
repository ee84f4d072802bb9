"""One farm for all fault tests: a server, one machine for jobs and two for chunks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.farm.farm import Farm
from tests.farm.faults import GPUS, PARENTS
from tests.farm.workload import another_film, make_film, quiet_frames


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture(scope="session")
def quiet(film: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Digests of the frames that an undisturbed run makes."""
    return quiet_frames(film, tmp_path_factory.mktemp("quiet") / "chunks")


@pytest.fixture(scope="session")
def whole_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with Farm(tmp_path_factory.mktemp("farm") / "farm") as farm:
        yield farm


@pytest.fixture
def farm(whole_farm: Farm) -> Farm:
    """The farm with all its machines up, whatever the last test did to them."""
    whole_farm.all_up(PARENTS, *GPUS)
    return whole_farm


@pytest.fixture
def new_film(film: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes films of the same frames that share no chunks with others."""
    made: list[Path] = []

    def make() -> Path:
        made.append(another_film(film, tmp_path / f"{tmp_path.name}-{len(made)}.mp4"))
        return made[-1]

    return make
