"""What a job shows in Prefect, on a real server, and on one that does not answer."""

import json
import socket
import threading
import time
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from app import runs_read
from tasks.artifacts import ProgressArtifact
from tasks.post import Post, artifact_key, flush_all
from tasks.progress import Progress
from tasks.table import PartTable

AWAY_WITHIN = 2.0
"""Seconds that a job loses where nothing answers: it waits for nothing but what a test asks it to."""


def shown(run: str) -> list[Artifact]:
    """Artifacts of a run, oldest first."""
    only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run)]))
    with get_client(sync_client=True) as client:
        return sorted(client.read_artifacts(artifact_filter=only), key=lambda artifact: str(artifact.created))


def table(chunks: int) -> PartTable:
    """A job in the middle: one chunk was there, one is done, one runs, one failed, the rest wait."""
    made = PartTable("clip.mp4", dict.fromkeys(range(chunks), 24))
    made.set(0, state="kept from before", worker="old", seconds=1.0, tries=1)
    made.set(1, state="done", worker="gpu-0", seconds=2.0, tries=2)
    made.set(2, state="running", worker="gpu-1")
    made.set(3, state="failed", worker="gpu-1", tries=4)
    return made


def test_a_table_says_first_what_all_chunks_and_each_worker_came_to() -> None:
    total, worker, *chunks = table(20).rows()
    assert total["chunk"] == "all 20"
    assert total["state"] == "1 done, 1 kept from before, 1 running, 1 failed, 16 waiting"
    assert (worker["worker"], worker["chunk"], worker["frames/s"]) == ("gpu-0", "1 chunk", 12.0)
    assert [line["chunk"] for line in chunks] == [str(index) for index in range(20)]
    assert (chunks[1]["state"], chunks[1]["frames/s"], chunks[1]["tries"]) == ("done", 12.0, 2)
    assert all(list(line) == list(total) for line in chunks)


def test_a_table_of_other_parts_says_what_they_are() -> None:
    made = PartTable("Pilot", {0: 24, 1: 12}, "segment")
    made.set(0, state="done", worker="cpu-0", seconds=1.0)
    total, worker, *segments = made.rows()
    assert next(iter(total)) == "segment"
    assert (total["segment"], worker["segment"]) == ("all 2", "1 segment")
    assert [line["segment"] for line in segments] == ["0", "1"]
    shown = runs_read.Artifact("table", "segments-pilot", json.dumps(made.rows()), "")
    assert runs_read.part_rows([shown]) == made.rows()


def test_a_worker_cannot_break_out_of_its_cell() -> None:
    made = PartTable("clip.mp4", {0: 5})
    made.set(0, state="done", worker="a\nb\x1b[31m")
    assert made.rows()[-1]["worker"].isprintable()


def test_a_key_is_one_that_prefect_takes() -> None:
    assert artifact_key("chunks", "Clip (final).MP4") == "chunks-clip-final-mp4"
    assert artifact_key("chunks", "\u3042.mp4") == "chunks-mp4"
    assert artifact_key("chunks", "") == "chunks-video"


@pytest.mark.usefixtures("prefect_server")
def test_one_table_is_brought_up_to_date_in_its_place() -> None:
    @flow(persist_result=False)
    def job() -> str:
        made = table(4)
        made._post.show(json.dumps(made.rows()))
        assert made._post.flush(20)
        made.set(2, state="done", seconds=4.0, frames=20)
        made.finish()
        return str(flow_run.id)

    (artifact,) = shown(job())
    assert (artifact.key, artifact.type) == ("chunks-clip-mp4", "table")
    rows: list[dict[str, Any]] = json.loads(str(artifact.data))
    assert [row["state"] for row in rows[3:]] == ["kept from before", "done", "done", "failed"]


@pytest.mark.usefixtures("prefect_server")
def test_a_bar_ends_at_a_hundred() -> None:
    @flow(persist_result=False)
    def job() -> str:
        progress = Progress("enhance", 30)
        bar = ProgressArtifact(progress, "clip.mp4")
        progress.set("all", 10)
        bar._next = 0.0
        bar.update()
        assert bar._post.flush(20)
        (half,) = shown(str(flow_run.id))
        assert half.data == pytest.approx(100 / 3)
        assert str(half.description).startswith("10 of 30 frames")
        bar.finish()
        assert bar._post.flush(20)
        return str(flow_run.id)

    (artifact,) = shown(job())
    assert (artifact.key, artifact.data) == ("progress-clip-mp4", 100.0)


@pytest.mark.usefixtures("prefect_server")
def test_a_server_that_does_not_answer_keeps_no_job_waiting() -> None:
    @flow(persist_result=False)
    def job() -> float:
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{silent.getsockname()[1]}/api"}),
        ):
            began = time.monotonic()
            posts = [Post("markdown", f"away-{number}") for number in range(3)]
            for post in posts:
                post.show("text")
                post.show("newer text")
            flush_all(posts, 1.0)
            return time.monotonic() - began

    assert job() < AWAY_WITHIN


def test_outside_a_run_nothing_is_sent() -> None:
    before = threading.active_count()
    post = Post("markdown", "nobody")
    post.show("text")
    assert post.flush(0.1)
    assert threading.active_count() <= before
