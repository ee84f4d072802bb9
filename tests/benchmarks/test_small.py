"""The benchmarks of models, on pictures so small that they run in seconds; their tables mean nothing here."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import own, reuse
from benchmarks.__main__ import ALL, PAGES, written
from benchmarks.ceiling import work_of
from benchmarks.clips import filmed, still_background
from benchmarks.pictures import decoded, differing_samples, drawn_picture, luma_psnr
from benchmarks.reference import reference_is_ready
from benchmarks.weights import weights_of
from sakuga.models.base import ModelChoice
from sakuga.models.networks.checkpoint import load_checkpoint
from sakuga.models.registry import load_upscaler
from tests.assets import REPOSITORY
from training.evaluate import CONDITIONS
from training.leaves import leaves
from training.still import from_rgb

pytestmark = pytest.mark.slow

NEURAL_OPERATIONS = 2 * 9 * (3 * 64 + 16 * 64 * 64 + 64 * 48)
"""Of realesr-animevideov3 for a pixel: 3 x 3 convolutions of 3 to 64 channels, 16 of 64, and of 64 to 48."""

GPU_SECONDS = 200


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_random_weights_stand_in_for_absent_ones_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAKUGA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SAKUGA_MODEL_MIRROR", raising=False)
    weights = weights_of("realesrgan-x4plus-anime-6b", tmp_path)
    assert "random" in weights.shown
    assert load_checkpoint(weights.path).scale == 4


def test_operations_of_a_network_are_those_of_its_convolutions(tmp_path: Path) -> None:
    network = load_checkpoint(weights_of("realesr-animevideov3", tmp_path).path)
    assert work_of(network) == NEURAL_OPERATIONS


def test_the_clip_with_a_still_background_is_drawn_on_twos_and_stands_still_mostly(tmp_path: Path) -> None:
    clip = still_background(tmp_path / "still.mkv", size=(96, 64), frames=6, crf=0)
    frames = [planes[0] for planes in decoded(clip)]
    assert [(frames[n] != frames[n + 1]).any() for n in range(5)] == [False, True, False, True, False]
    assert (frames[1] != frames[2]).mean() < 0.5


def test_the_filmed_clip_has_a_stand_in_of_the_same_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.clips.ASSETS", tmp_path)
    clip, kind = filmed(tmp_path / "film.mkv", size=(64, 48), frames=3)
    assert "not here" in kind
    assert [planes[0].shape for planes in decoded(clip)] == [(48, 64)] * 3


def test_a_file_is_equal_to_itself_and_not_to_another(tmp_path: Path) -> None:
    one = still_background(tmp_path / "one.mkv", size=(96, 64), frames=4, crf=0)
    other = still_background(tmp_path / "other.mkv", size=(96, 64), frames=4, crf=40)
    assert differing_samples(one, one) == 0
    assert luma_psnr(one, one) == float("inf")
    assert differing_samples(one, other) > 0
    assert 10 < luma_psnr(one, other) < 60


def test_a_drawn_picture_has_planes_of_its_size() -> None:
    picture = drawn_picture((50, 34))
    assert [plane.shape for plane in picture.planes] == [(34, 50), (17, 25), (17, 25)]


def test_every_table_has_its_place_in_the_docs() -> None:
    pages = [(REPOSITORY / page).read_text() for page in PAGES]
    names = [name for page in pages for name in re.findall(r"<!-- bench: (\w+) -->", page)]
    assert sorted(names) == sorted([*ALL, "gpu"])
    for name in names:
        assert sum(written(page, name, "a table").count("a table\n<!-- end -->") for page in pages) == 1


def test_what_stands_still_is_told_from_what_moves() -> None:
    still = [np.zeros((64, 64), np.uint8)] * 3
    moving = [plane.copy() for plane in still]
    moving[1][:8, :8] = 200
    restless = [np.full((64, 64), 2 * (number % 2), np.uint8) for number in range(3)]
    assert own.flicker(still, still) == 0
    assert own.flicker(restless, still) == 2
    assert own.flicker(moving, moving) == 0


def test_what_is_nearer_to_the_truth_has_the_better_score() -> None:
    pictures = [from_rgb(leaves(seed, 128)) for seed in range(2)]
    lanczos, ours = (
        own.score(load_upscaler(ModelChoice(name=name)), pictures, CONDITIONS["area"])
        for name in ("lanczos", "filmed-s")
    )
    assert ours.psnr > lanczos.psnr
    assert ours.rgb > lanczos.rgb
    assert 0.5 < lanczos.ssim < 1


@pytest.mark.slow
def test_exact_reuse_computes_less_and_changes_no_sample() -> None:
    rows = {(row[0], row[1]): row for row in cells(reuse.measure((96, 64), 8))}
    off, exact = rows["lossless", "off"], rows["lossless", "exact"]
    assert off[3] == "100%"
    assert int(exact[3].rstrip("%")) <= 50
    assert exact[6] == "0"


@pytest.mark.slow
def test_the_gpu_benchmark_runs_without_a_gpu() -> None:
    argv = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--networks", "realesr-animevideov3"]
    ended = subprocess.run(
        argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=GPU_SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stderr
    rows = cells(ended.stdout)
    networks = [row for row in rows if row[0].startswith("realesr")]
    assert len(networks) == 2 * 2
    assert all(float(row[3]) > 0 and float(row[6]) > 0 for row in networks)
    assert any(row[1].startswith("libx264") and "**" in row[5] for row in rows)


@pytest.mark.slow
@pytest.mark.skipif(not reference_is_ready(), reason="`make bench-models` has not installed the reference")
def test_networks_agree_with_the_reference_implementation() -> None:
    from benchmarks.networks import measure_parity

    exact = [row for row in cells(measure_parity((64, 48))) if row[1].endswith("fp32")]
    assert len(exact) == 4
    assert [row[4] for row in exact] == ["yes"] * 4
