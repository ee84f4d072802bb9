"""Recordings for shapes that come again: kept, checked, and given up where they are wrong."""

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sakuga.models.engines.replay import MOST_RECORDINGS, Replays, Run


class Recorder:
    """Doubles pictures, and counts how; what it records is off by `off`, or it fails with `error`."""

    def __init__(self, off: float = 0.0, error: RuntimeError | None = None) -> None:
        self.off, self.error = off, error
        self.steps = self.recorded = self.replayed = 0

    def eager(self, rgb: Tensor) -> Tensor:
        self.steps += 1
        return rgb * 2

    def record(self, rgb: Tensor) -> Run:
        self.recorded += 1
        if self.error:
            raise self.error
        shape = rgb.shape

        def replay(rgb: Tensor) -> Tensor:
            assert rgb.shape == shape
            self.replayed += 1
            return rgb * 2 + self.off

        return replay


def square(side: int) -> Tensor:
    return torch.rand(1, 3, side, side)


def test_a_shape_is_recorded_when_it_comes_again_and_replayed_from_then_on() -> None:
    recorder = Recorder()
    replays = Replays(recorder.eager, recorder.record, 2)
    for _ in range(5):
        rgb = square(4)
        assert torch.equal(replays(rgb), rgb * 2)
    assert (recorder.steps, recorder.recorded, recorder.replayed) == (2, 1, 1 + 3)


def test_a_shape_is_recorded_only_when_it_has_come_as_often_as_was_asked_for() -> None:
    recorder = Recorder()
    replays = Replays(recorder.eager, recorder.record, 2, after=4)
    for side in (4, 5, 4, 6, 4):
        replays(square(side))
    assert recorder.recorded == 0
    replays(square(4))
    assert (recorder.recorded, replays.recorded) == (1, 1)


def test_nothing_is_recorded_where_none_may_be_kept() -> None:
    recorder = Recorder()
    replays = Replays(recorder.eager, recorder.record, 0)
    for _ in range(9):
        replays(square(4))
    assert (recorder.steps, recorder.recorded) == (9, 0)


def test_a_picture_that_finds_no_room_takes_that_of_the_recordings() -> None:
    recorder = Recorder()
    replays: Replays

    def eager(rgb: Tensor) -> Tensor:
        if replays.recorded and rgb.shape[-1] > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return recorder.eager(rgb)

    replays = Replays(eager, recorder.record, 2)
    for side in (4, 4, 9):
        rgb = square(side)
        assert torch.equal(replays(rgb), rgb * 2)
    assert replays.recorded == 0


def test_a_picture_that_finds_no_room_without_recordings_either_is_refused() -> None:
    def eager(rgb: Tensor) -> Tensor:
        if rgb.shape[-1] > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return rgb * 2

    replays = Replays(eager, Recorder().record, 2)
    replays(square(4))
    replays(square(4))
    with pytest.raises(torch.OutOfMemoryError):
        replays(square(9))


@pytest.mark.parametrize("off", [0.01, float("nan"), float("inf")])
def test_a_recording_that_is_wrong_is_never_used(off: float) -> None:
    recorder = Recorder(off)
    replays = Replays(recorder.eager, recorder.record, 2)
    for _ in range(5):
        rgb = square(4)
        assert torch.equal(replays(rgb), rgb * 2)
    assert (recorder.steps, recorder.recorded, replays.recorded) == (5, 1, 0)


def test_a_network_whose_result_is_not_finite_is_recorded_all_the_same() -> None:
    recorder = Recorder()
    replays = Replays(recorder.eager, recorder.record, 2)
    for _ in range(3):
        replays(torch.full((1, 3, 2, 2), float("nan")))
    assert replays.recorded == 1


def test_where_recording_fails_work_goes_on_step_by_step() -> None:
    recorder = Recorder(error=RuntimeError("operation not permitted when stream is capturing"))
    replays = Replays(recorder.eager, recorder.record, 2)
    for _ in range(4):
        rgb = square(4)
        assert torch.equal(replays(rgb), rgb * 2)
    assert (recorder.steps, recorder.recorded) == (4, 1)


def test_where_there_is_no_room_to_record_all_recordings_are_given_up() -> None:
    recorder = Recorder()
    replays = Replays(recorder.eager, recorder.record, 2)
    replays(square(4))
    replays(square(4))
    assert replays.recorded == 1
    recorder.error = torch.OutOfMemoryError("CUDA out of memory")
    replays(square(5))
    replays(square(5))
    assert replays.recorded == 0


def test_the_shapes_used_last_are_kept() -> None:
    recorder = Recorder()
    replays = Replays(recorder.eager, recorder.record, 2)
    for side in (4, 4, 5, 5, 4, 6, 6):
        replays(square(side))
    steps = recorder.steps
    replays(square(4))
    replays(square(6))
    assert recorder.steps == steps
    assert replays.recorded == 2


def test_shapes_that_drive_each_other_out_are_given_up() -> None:
    recorder = Recorder()
    replays = Replays(recorder.eager, recorder.record, 1)
    for _ in range(20):
        for side in (4, 5):
            rgb = square(side)
            assert torch.equal(replays(rgb), rgb * 2)
    assert recorder.recorded <= 2 * MOST_RECORDINGS
