"""Every check passes on a faithful result, and fails on the damage that it is for."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sakuga.enhance.spec import EnhanceSpec
from tests.acceptance.jobs import make_chunks
from tests.clips import Rgb, make_clip
from tests.quality.jobs import Job, enlarged, job_for, lively, remux, result_of, tag

FRAMES = 24
AGREEMENT = {"PSNR against the source", "SSIM against the source"}
PLACE = "Frames out of place"
BLACK = "Black frames not in the source"
FROZEN = "Frozen frames not in the source"
TORN = "Torn frames"

good = enlarged()


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    return job_for(make_clip(path, frames=FRAMES, draw=lively, audio_seconds=1, options={"crf": "12"}))


def test_a_faithful_result_passes_every_check(job: Job, tmp_path: Path) -> None:
    checks = job.check(result_of(job, tmp_path / "r.mp4"))
    assert [check for check in checks if not check.passed] == []
    assert len({check.name for check in checks}) == len(checks) >= 15


@pytest.mark.parametrize("size", [(16, 400), (18, 18), (400, 16)])
def test_a_tiny_picture_agrees_with_its_enlargement(tmp_path: Path, size: tuple[int, int]) -> None:
    source = make_clip(
        tmp_path / "s.mkv", frames=4, size=size, codec="ffv1", pix_fmt="yuv444p", draw=red_to_blue
    )
    spec = EnhanceSpec(model="lanczos", preset="ultrafast", quality=10)
    (result,) = make_chunks(source, tmp_path / "chunks", spec).chunks
    assert job_for(source).failures(result) == set()


def test_a_tiny_picture_of_noise_agrees_with_its_enlargement(tmp_path: Path) -> None:
    def noise(number: int, width: int, height: int) -> Rgb:
        return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)

    source = make_clip(
        tmp_path / "s.mkv", frames=4, size=(16, 16), codec="ffv1", pix_fmt="yuv444p", draw=noise
    )
    spec = EnhanceSpec(model="lanczos", preset="ultrafast", quality=10)
    (result,) = make_chunks(source, tmp_path / "chunks", spec).chunks
    assert job_for(source).failures(result) == set()


def red_to_blue(number: int, width: int, height: int) -> Rgb:
    """Bars that are as wide as three pixels, between a red and a blue edge; they move."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.full((height, width, 3), (255, 0, 0), np.uint8)
    image[x >= width // 2] = (0, 0, 255)
    image[(y + number) // 3 % 2 == 0] //= 2
    return image


def test_a_lost_frame_is_found(job: Job, tmp_path: Path) -> None:
    failures = job.failures(result_of(job, tmp_path / "r.mp4", frames=FRAMES - 1))
    assert {"Frames", "Frame times"} <= failures


def test_a_frame_at_the_wrong_time_is_found(job: Job, tmp_path: Path) -> None:
    base = Fraction(1, 2400)
    times = [100 * n + (30 if n == 7 else 0) for n in range(FRAMES)]
    checks = job.check(result_of(job, tmp_path / "r.mp4", times=times, time_base=base))
    late = next(check for check in checks if check.name == "Frame times")
    assert not late.passed
    assert "frame 7" in late.detail
    assert {check.name for check in checks if not check.passed} == {"Frame times"}


def test_late_sound_is_found_at_the_start_and_the_end(job: Job, tmp_path: Path) -> None:
    plain = result_of(job, tmp_path / "plain.mp4")
    shifted = remux(plain, tmp_path / "r.mp4", audio_delay=Fraction(1, 5))
    assert job.failures(shifted) == {"Audio offset at the start", "Audio drift at the end"}


def test_sound_that_ends_too_early_is_found(job: Job, tmp_path: Path) -> None:
    result = result_of(job, tmp_path / "r.mp4", audio_seconds=0.5)
    assert job.failures(result) == {"Audio drift at the end"}


def test_a_missing_track_is_found(job: Job, tmp_path: Path) -> None:
    plain = result_of(job, tmp_path / "plain.mp4")
    assert "Audio tracks" in job.failures(remux(plain, tmp_path / "r.mp4", drop=["audio"]))


def test_mpeg_audio_of_layer_two_is_found_again_in_mp4(job: Job, tmp_path: Path) -> None:
    plain = result_of(job, tmp_path / "plain.mp4")
    source = with_layer_two(job.source, tmp_path / "source.mkv")
    other = job_for(source)
    assert other.info.audio[0].codec == "mp2"
    assert other.failures(with_layer_two(plain, tmp_path / "r.mp4")) == set()


def with_layer_two(source: Path, path: Path) -> Path:
    """A copy of a file whose sound is a second of MPEG-1 audio, layer II."""
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        video = made.add_stream_from_template(given.streams.video[0])
        sound = made.add_stream("mp2", rate=48000)
        assert isinstance(sound, av.AudioStream)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                made.mux(packet)
        for start in range(0, 48000 - 1152, 1152):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), format="s16")
            block.sample_rate, block.pts = 48000, start
            made.mux(sound.encode(block))
        made.mux(sound.encode(None))
    return path


def test_a_wrong_size_is_found(job: Job, tmp_path: Path) -> None:
    assert "Picture size" in job.failures(result_of(job, tmp_path / "r.mp4", size=(192, 132)))


def test_pixels_that_are_not_square_are_found(job: Job, tmp_path: Path) -> None:
    def stretch(stream: av.VideoStream) -> None:
        tag(stream)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    assert job.failures(result_of(job, tmp_path / "r.mp4", prepare=stretch)) == {"Square pixels"}


def test_a_missing_colour_tag_is_found(job: Job, tmp_path: Path) -> None:
    assert job.failures(result_of(job, tmp_path / "r.mp4", prepare=lambda _: None)) == {"Colour tags"}


def test_a_deeper_format_than_planned_is_found(job: Job, tmp_path: Path) -> None:
    assert job.failures(result_of(job, tmp_path / "r.mp4", pix_fmt="yuv420p10le")) == {"Pixel format"}


def test_a_colour_shift_that_the_eye_hardly_sees_is_found(job: Job, tmp_path: Path) -> None:
    def tinted(number: int, width: int, height: int) -> Rgb:
        image = good(number, width, height)
        image[..., 2] += 6
        return image

    assert job.failures(result_of(job, tmp_path / "r.mp4", tinted)) == {"Mean colour"}


def test_samples_of_another_range_than_tagged_are_found(job: Job, tmp_path: Path) -> None:
    def squeezed(number: int, width: int, height: int) -> Rgb:
        return (16 + good(number, width, height).astype(np.float32) * (219 / 255)).astype(np.uint8)

    assert "Mean colour" in job.failures(result_of(job, tmp_path / "r.mp4", squeezed))


def test_a_blurred_result_is_found(job: Job, tmp_path: Path) -> None:
    def coarse(number: int, width: int, height: int) -> Rgb:
        small = good(number, width, height)[8::16, 8::16]
        return small.repeat(16, 0).repeat(16, 1)

    assert job.failures(result_of(job, tmp_path / "r.mp4", coarse)) >= AGREEMENT


def test_a_black_frame_is_found_by_its_number(job: Job, tmp_path: Path) -> None:
    def blinking(number: int, width: int, height: int) -> Rgb:
        return good(number, width, height) * np.uint8(number != 10)

    checks = {check.name: check for check in job.check(result_of(job, tmp_path / "r.mp4", blinking))}
    assert not checks[BLACK].passed
    assert checks[BLACK].detail == "frame 10"
    assert checks[FROZEN].passed


def test_black_that_the_source_has_is_not_held_against_the_result(tmp_path: Path) -> None:
    def fading(number: int, width: int, height: int) -> Rgb:
        return lively(number, width, height) * np.uint8(number > 8)

    job = job_for(make_clip(tmp_path / "s.mp4", frames=FRAMES, draw=fading, options={"crf": "12"}))
    assert job.failures(result_of(job, tmp_path / "r.mp4", enlarged(fading))) == set()


def test_a_frozen_stretch_is_found(job: Job, tmp_path: Path) -> None:
    def freezing(number: int, width: int, height: int) -> Rgb:
        return good(8 if 8 <= number < 14 else number, width, height)

    checks = {check.name: check for check in job.check(result_of(job, tmp_path / "r.mp4", freezing))}
    assert not checks[FROZEN].passed
    assert checks[FROZEN].detail == "frames 8-13"


def test_drawings_that_are_held_in_the_source_are_not_frozen(tmp_path: Path) -> None:
    def held(number: int, width: int, height: int) -> Rgb:
        return lively(number // 6, width, height)

    job = job_for(make_clip(tmp_path / "s.mp4", frames=FRAMES, draw=held, options={"crf": "12"}))
    assert job.failures(result_of(job, tmp_path / "r.mp4", enlarged(held))) == set()


def test_a_torn_frame_is_found(job: Job, tmp_path: Path) -> None:
    def tearing(number: int, width: int, height: int) -> Rgb:
        image = good(number, width, height)
        if number == 12:
            image[height * 2 // 3 :] = good(number - 5, width, height)[height * 2 // 3 :]
        return image

    checks = {check.name: check for check in job.check(result_of(job, tmp_path / "r.mp4", tearing))}
    assert not checks[TORN].passed
    assert checks[TORN].detail == "frame 12"
    assert checks[PLACE].passed


def test_a_frame_in_the_place_of_its_neighbour_is_found(job: Job, tmp_path: Path) -> None:
    def swapped(number: int, width: int, height: int) -> Rgb:
        return good({15: 16, 16: 15}.get(number, number), width, height)

    checks = {check.name: check for check in job.check(result_of(job, tmp_path / "r.mp4", swapped))}
    assert not checks[PLACE].passed
    assert checks[PLACE].detail == "frames 15-16"
    assert checks[TORN].passed


def test_a_result_that_does_not_decode_fails_and_says_so(job: Job, tmp_path: Path) -> None:
    plain = result_of(job, tmp_path / "plain.mp4")
    data = bytearray(plain.read_bytes())
    with av.open(str(plain)) as container:
        spots = [p.pos + 8 for p in container.demux(video=0) if p.pos and p.size > 40]
    for spot in spots:
        data[spot : spot + 24] = b"\xff" * 24
    (tmp_path / "r.mp4").write_bytes(data)
    assert job.failures(tmp_path / "r.mp4") & {"Result decodes", "PSNR against the source"}


def test_a_white_frame_between_film_frames_is_found(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", frames=FRAMES, draw=lively, options={"crf": "12"})
    job = job_for(source, fps=Fraction(48), interpolation="flow")
    assert job.plan.weight[21]

    def failing(number: int, width: int, height: int) -> Rgb:
        if number == 21:
            return np.full((height, width, 3), 250, np.uint8)
        return good(job.plan.left[number], width, height)

    assert job.failures(result_of(job, tmp_path / "r.mp4", failing)) == {PLACE}


def test_something_that_is_no_video_fails(job: Job, tmp_path: Path) -> None:
    (tmp_path / "r.mp4").write_bytes(b"nothing at all")
    assert job.failures(tmp_path / "r.mp4") == {"Result decodes"}


@pytest.mark.parametrize("interpolation", ["nearest", "blend", "flow"])
def test_frames_between_film_frames_are_judged_by_their_method(tmp_path: Path, interpolation: str) -> None:
    source = make_clip(tmp_path / "s.mp4", frames=FRAMES, draw=lively, options={"crf": "12"})
    job = job_for(source, fps=Fraction(60), interpolation=interpolation)
    plan = job.plan

    def drawn(number: int, width: int, height: int) -> Rgb:
        share = plan.weight[number] / (1 << 16)
        left = good(plan.left[number], width, height).astype(np.float32)
        right = good(min(plan.left[number] + 1, FRAMES - 1), width, height)
        return (left * (1 - share) + right * share + 0.5).astype(np.uint8)

    assert job.failures(result_of(job, tmp_path / "r.mp4", drawn)) == set()
