import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks import BLOCKS, EnhancePreset, LocalFolderStore, S3Store, register_blocks
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError, StoreAwayError
from tasks import job
from tasks.job import open_store, prepare_store
from tests.blocks.outages import bucket_at
from tests.processes import closed_port

pytestmark = pytest.mark.usefixtures("prefect_server")

SLUGS = {"sakuga-local-folder-store", "sakuga-s3-store", "sakuga-enhance-preset"}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def no_server() -> Iterator[None]:
    """Prefect's server at an address where nothing listens."""
    with closed_port() as port, temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        yield


def _registered() -> set[str]:
    with get_client(sync_client=True) as client:
        answer = client._client.post("/block_types/filter", json={})
    return {kind["slug"] for kind in answer.json() if kind["slug"].startswith("sakuga")}


def test_block_types_are_registered_from_python_as_often_as_one_likes() -> None:
    assert set(register_blocks()) == set(register_blocks()) == SLUGS
    assert _registered() >= SLUGS
    assert len(BLOCKS) == len(SLUGS)


def test_what_is_saved_in_a_block_is_loaded_again() -> None:
    name = f"b{uuid4().hex}"
    preset = EnhancePreset(
        description="For film.", store="sakuga-s3-store/films", spec=EnhanceSpec(fps=Fraction(24000, 1001))
    )
    preset.save(name)
    loaded = EnhancePreset.load(name)
    assert isinstance(loaded, EnhancePreset)
    assert (loaded.spec, loaded.store, loaded.description) == (preset.spec, preset.store, preset.description)

    bucket_at("http://127.0.0.1:9").save(name)
    store = open_store(f"sakuga-s3-store/{name}")
    assert isinstance(store, S3Store)
    assert store.secret_key
    assert store.secret_key.get_secret_value() == "secret"


def test_a_block_that_is_missing_or_no_store_is_an_option_that_is_wrong() -> None:
    name = f"b{uuid4().hex}"
    EnhancePreset().save(name)
    for wrong in (
        "sakuga-s3-store/no-such-block",
        "no-such-type/x",
        "noslash",
        f"sakuga-enhance-preset/{name}",
    ):
        with pytest.raises(OptionError):
            open_store(wrong)


@pytest.mark.usefixtures("no_server")
def test_a_server_that_is_away_is_not_taken_for_a_missing_block() -> None:
    with pytest.raises(StoreAwayError, match="Prefect's server does not answer"):
        open_store("sakuga-s3-store/anything")


def test_a_store_is_asked_for_once_in_a_while_and_still_known_when_the_server_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"b{uuid4().hex}"
    LocalFolderStore(root=tmp_path / "old").save(name)
    store = f"sakuga-local-folder-store/{name}"
    first = open_store(store)
    assert open_store(store) is first
    LocalFolderStore(root=tmp_path / "new").save(name, overwrite=True)
    monkeypatch.setattr(job, "KEEP", 0.0)
    job._BLOCKS.clear()
    second = open_store(store)
    assert second.location("a") == str(tmp_path / "new" / "a")
    url = PREFECT_API_URL.value()
    with closed_port() as port:
        gone = f"http://127.0.0.1:{port}/api"
        job._BLOCKS[gone, store] = job._BLOCKS[url, store]
        with temporary_settings({PREFECT_API_URL: gone}):
            assert open_store(store) is second


def test_only_the_run_that_begins_a_job_makes_the_folder_of_a_store(tmp_path: Path) -> None:
    name = f"b{uuid4().hex}"
    LocalFolderStore(root=tmp_path / "share" / "media").save(name)
    store = f"sakuga-local-folder-store/{name}"
    with pytest.raises(StoreAwayError):
        open_store(store).write("a", b"")
    assert not (tmp_path / "share").exists()
    prepare_store(store).write("a", b"")
    assert (tmp_path / "share" / "media" / "a").is_file()


@pytest.mark.usefixtures("sakuga_home")
def test_the_own_store_of_a_machine_is_made_once_in_a_process(tmp_path: Path) -> None:
    open_store(None).write("a", b"")
    (tmp_path / "home" / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreAwayError):
        open_store(None).write("b", b"")
    assert not (tmp_path / "home" / "store").exists()


@pytest.mark.slow
@pytest.mark.farm
def test_one_command_registers_all_block_types() -> None:
    url = PREFECT_API_URL.value()
    assert url
    command = [str(Path(sys.executable).parent / "prefect"), "block", "register", "--module", "blocks"]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PREFECT_API_URL": url, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Sakuga Enhance Preset" in done.stdout
    assert _registered() == SLUGS
