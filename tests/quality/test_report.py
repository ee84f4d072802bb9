"""The report says what was done and what was proved, to people and to programs."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from sakuga.media.probe import probe
from sakuga.models.base import EngineUse
from sakuga.quality.check import Check
from sakuga.quality.reasons import reasons
from sakuga.quality.report import JobReport, Stage, Work, build_report, file_facts
from sakuga.quality.report_text import work_sentences
from sakuga.settings import Limits
from tests.clips import make_clip
from tests.quality.jobs import Job, job_for, lively, result_of

GOOD = Check(name="Frames", value="24", bound="= 24", passed=True)
BAD = Check(name="Torn frames", value="1 of 24 frames", bound="0", passed=False, detail="frame 12")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    return job_for(make_clip(path, draw=lively, rate=Fraction(24000, 1001)), quality=20)


def report_of(job: Job, folder: Path, *checks: Check, name: str = "a|b `c`.mp4") -> JobReport:
    result = result_of(job, folder / "result.mp4")
    made = probe(result, Limits()).info
    return build_report(
        source=file_facts(f"/films/of/someone/{name}", 1000, "a" * 64, job.info),
        result=file_facts("result.mp4", result.stat().st_size, "b" * 64, made),
        info=job.info,
        plan=job.plan,
        spec=job.spec,
        assembly=job.assembly,
        work=Work(chunks=3, cached_chunks=1, frames=24, computed=12, reused=4, concealed=2),
        stages=[Stage(name="enhance", seconds=12.34)],
        checks=checks,
        found="Progressive: no combing was seen.",
        versions={"model": "lanczos"},
    )


def test_the_first_line_is_the_verdict(job: Job, tmp_path: Path) -> None:
    passed, failed = report_of(job, tmp_path, GOOD), report_of(job, tmp_path, GOOD, BAD)
    assert passed.passed
    assert passed.to_markdown().startswith("# Passed: result.mp4\n")
    assert not failed.passed
    assert failed.to_markdown().startswith("# Failed: result.mp4\n")
    assert failed.failed == (BAD,)


def test_a_report_without_checks_has_not_passed(job: Job, tmp_path: Path) -> None:
    assert not report_of(job, tmp_path).passed


def test_json_gives_the_same_report_back(job: Job, tmp_path: Path) -> None:
    report = report_of(job, tmp_path, GOOD, BAD)
    path = report.to_json(tmp_path / "report.json")
    assert JobReport.model_validate_json(path.read_text()) == report
    assert json.loads(path.read_text())["source"]["frame_rate"] == "24000/1001"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.json", "result.mp4"]


def test_no_folder_of_the_machine_is_in_it(job: Job, tmp_path: Path) -> None:
    report = report_of(job, tmp_path, GOOD)
    assert "someone" not in report.model_dump_json() + report.to_markdown()


def test_only_options_that_differ_from_their_defaults_are_named(job: Job, tmp_path: Path) -> None:
    assert report_of(job, tmp_path, GOOD).asked == {"model": "lanczos", "quality": 20}


def test_every_row_of_every_table_has_the_cells_of_its_head(job: Job, tmp_path: Path) -> None:
    text = report_of(job, tmp_path, GOOD, BAD).to_markdown()
    for table in (part for part in text.split("\n\n") if part.startswith("|")):
        cells = [line.replace("\\|", "").count("|") for line in table.splitlines()]
        assert len(set(cells)) == 1


def test_what_was_done_is_said_in_sentences(job: Job, tmp_path: Path) -> None:
    report = report_of(job, tmp_path, GOOD)
    text = " ".join(report.done)
    assert "Progressive: no combing was seen." in text
    assert "96x64 to 192x128 with lanczos" in text
    assert "does not say its colour matrix; smpte170m" in text
    assert "23.976 fps (24000/1001)" in text
    assert "2 frames did not decode" in text
    assert "12 were computed and 4 reused (25 %)" in report.to_markdown()
    assert "3 chunks: 2 computed, 1 taken from the cache" in report.to_markdown()


def test_reuse_in_parts_and_what_ran_the_model_are_said_in_sentences() -> None:
    fell = EngineUse(backend="torch", device="cuda:0", precision="fp32", fell_back="fp16 was 31.0 dB off.")
    work = Work(
        chunks=1,
        cached_chunks=0,
        frames=8,
        computed=2,
        partial=4,
        reused=2,
        pixels=40,
        all_pixels=80,
        audits=2,
        refused=1,
        worst_audit=43.21,
        engines=(EngineUse(backend="openvino", device="cpu", precision="bf16"), fell),
    )
    text = " ".join(work_sentences(work))
    assert "Of 8 frames 2 were computed, 4 computed in parts and 2 reused (25 %)." in text
    assert "50 % of all pixels went through the model" in text
    assert "the worst agreed to 43.2 dB, and 1 below the bound were replaced" in text
    assert "ran on cpu in bf16, by openvino" in text
    assert "ran on cuda:0 in fp32, by torch. fp16 was 31.0 dB off." in text


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("acnet-hdn0", "Cleaned at 96x64 with acnet-hdn0."), ("lanczos", "Kept at 96x64.")],
)
def test_a_result_of_the_same_size_is_not_said_to_be_upscaled(job: Job, model: str, sentence: str) -> None:
    same = job_for(job.source, model=model, scale=1)
    done = reasons(same.info, same.plan, same.spec, same.assembly, 0, 0, "", "", None)
    assert done[0] == sentence


def test_what_a_file_cut_off_has_lost_is_said(job: Job) -> None:
    cut = "it is cut off after 1.000 s of video; about 24 frames after 1.000 s are missing"
    done = reasons(job.info, job.plan, job.spec, job.assembly, 0, 25, "", "", cut)
    assert done[-2] == f"The source ends too early: {cut}."
    assert done[-1].startswith("In all 25 frames")


def test_failed_checks_come_first(job: Job, tmp_path: Path) -> None:
    text = report_of(job, tmp_path, GOOD, BAD).to_markdown()
    assert text.index("| **FAILED** | Torn frames") < text.index("| ok | Frames")
