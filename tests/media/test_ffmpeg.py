import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from sakuga.errors import CancelledError, DiskFullError, MissingToolError, SubprocessError
from sakuga.media.ffmpeg import TAIL_BYTES, command, ffmpeg_path, run
from sakuga.settings import Settings
from tests.clips import make_clip

PYTHON = sys.executable


def copy(source: Path, output: Path) -> Path:
    run(command(ffmpeg_path(Settings()), [source], [(["-c", "copy", "-f", "mp4"], output)]), timeout=60)
    return output


SOON = 10.0
"""Seconds within which a stopped program must be gone; far under the 60 it would run."""


def script(code: str) -> list[str]:
    return [PYTHON, "-c", code]


def pids_of(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if mark in line and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def test_the_bundled_ffmpeg_is_used_where_none_is_named() -> None:
    assert ffmpeg_path(Settings(FFMPEG_PATH=None)).is_file()


def test_a_named_ffmpeg_that_is_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="FFMPEG_PATH"):
        ffmpeg_path(Settings(FFMPEG_PATH=tmp_path / "nothing"))


def test_every_input_is_opened_under_the_whitelists() -> None:
    argv = command(Path("ffmpeg"), [Path("/a"), Path("/b")], [])
    for place in [i for i, word in enumerate(argv) if word == "-i"]:
        assert "-protocol_whitelist" in argv[place - 4 : place]
        assert "-format_whitelist" in argv[place - 4 : place]


@pytest.mark.parametrize(
    "name",
    ["-y.mp4", "a:b.mp4", 'it\'s "so".mp4', "100%d.mp4", "two\nlines.mp4", "concat:a|b.mp4", "é 作画.mp4"],
)
def test_any_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "clip.mp4", frames=3).rename(tmp_path / name)
    output = copy(source, tmp_path / f"out {name}")
    assert output.stat().st_size > 0


def test_a_playlist_dressed_as_a_video_is_refused(tmp_path: Path) -> None:
    secret = make_clip(tmp_path / "secret.ts", frames=3)
    bait = tmp_path / "bait.mp4"
    bait.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(SubprocessError):
        copy(bait, tmp_path / "out.mp4")


def test_a_failure_carries_the_command_its_status_and_the_end_of_what_it_said() -> None:
    argv = script("import sys; sys.stderr.write('x' * 100000 + 'the end'); sys.exit(3)")
    with pytest.raises(SubprocessError) as caught:
        run(argv, timeout=60)
    assert caught.value.argv == argv
    assert caught.value.program_exit_code == 3
    assert caught.value.stderr_tail.endswith("the end")
    assert len(caught.value.stderr_tail) <= TAIL_BYTES


def test_a_program_past_its_deadline_is_killed_though_it_ignores_signals() -> None:
    begun = time.monotonic()
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60) # deadline-mark"
    )
    with pytest.raises(SubprocessError) as caught:
        run(script(code), timeout=1)
    assert caught.value.program_exit_code is None
    assert time.monotonic() - begun < SOON
    assert pids_of("deadline-mark") == []


def test_a_cancelled_program_is_gone_when_the_call_returns() -> None:
    begun = time.monotonic()
    with pytest.raises(CancelledError):
        run(
            script("import time; time.sleep(60) # cancel-mark"),
            timeout=60,
            cancelled=lambda: time.monotonic() > begun + 0.3,
        )
    assert time.monotonic() - begun < SOON
    assert pids_of("cancel-mark") == []


def test_a_program_that_somebody_kills_is_an_error() -> None:
    argv = script("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(SubprocessError, match="killed by signal 9"):
        run(argv, timeout=60)


def test_what_is_fed_arrives_though_the_program_talks_much() -> None:
    blocks = [bytes([number]) * 65536 for number in range(20)]

    def feed(stream: BinaryIO) -> None:
        for block in blocks:
            stream.write(block)

    code = (
        "import sys, hashlib; sys.stderr.write('y' * 200000)\n"
        "sys.stderr.write(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    )
    said = run(script(code), timeout=60, stdin_writer=feed)
    assert said.endswith(hashlib.sha256(b"".join(blocks)).hexdigest())


def test_a_program_that_stops_reading_fails_with_its_own_error() -> None:
    def feed(stream: BinaryIO) -> None:
        while True:
            stream.write(bytes(65536))

    with pytest.raises(SubprocessError, match="error 5"):
        run(script("import sys; sys.exit(5)"), timeout=60, stdin_writer=feed)


def test_an_error_of_the_feeder_is_the_error_of_the_run() -> None:
    def feed(stream: BinaryIO) -> None:
        stream.write(b"some")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(script("import sys; sys.stdin.read()"), timeout=60, stdin_writer=feed)


def test_a_full_disk_is_told_apart() -> None:
    with pytest.raises(DiskFullError):
        run(script("import sys; sys.exit('write: No space left on device')"), timeout=60)


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SubprocessError, match="could not be started"):
        run(["/nonexistent/ffmpeg"], timeout=1)


def test_no_descriptor_of_this_process_reaches_the_program(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        code = f"import os, sys\ntry: os.fstat({file.fileno()}); sys.exit(7)\nexcept OSError: pass"
        assert run(script(code), timeout=60) == ""


def test_programs_run_from_several_threads_at_once() -> None:
    said: list[str] = []

    def work(number: int) -> None:
        said.append(run(script(f"import sys; sys.stderr.write('{number}')"), timeout=60))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == [str(number) for number in range(8)]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends the children of the killed")
def test_the_program_dies_when_this_process_is_killed() -> None:
    inner = f"[{PYTHON!r}, '-c', 'import time; time.sleep(60) # orphan-mark']"
    parent = subprocess.Popen(
        script(f"from sakuga.media.ffmpeg import run; run({inner}, timeout=60)"), stdin=subprocess.DEVNULL
    )
    deadline = time.monotonic() + SOON
    mark = "time.sleep(60) # orphan-mark"
    children: list[int] = []
    # at the first sight of it: it may be before the program has begun
    while not children and time.monotonic() < deadline:
        children = [p for p in pids_of(mark) if p != parent.pid]
    assert children
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + SOON
    while any(Path(f"/proc/{p}").exists() for p in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(p in pids_of(mark) for p in children)
