import subprocess
import sys
from pathlib import Path

import pytest

from sakuga.errors import StoreError
from tasks.scratch import remove_dead, run_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.scratch import run_folder
with run_folder(Path(sys.argv[1])) as folder:
    (folder / "half.mp4").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_is_gone_after_its_run_also_when_that_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with run_folder(tmp_path) as folder:
            (folder / "half.mp4").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert any(path.is_dir() for path in tmp_path.iterdir())
    with run_folder(tmp_path) as folder:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [folder]
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_living_run_is_left_alone(tmp_path: Path) -> None:
    with run_folder(tmp_path) as first, run_folder(tmp_path) as second:
        assert remove_dead(tmp_path) == 0
        assert first.is_dir()
        assert second.is_dir()


def test_scratch_space_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="SAKUGA_SCRATCH"), run_folder(tmp_path / "file" / "scratch"):
        pass
