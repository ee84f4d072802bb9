from collections.abc import Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakuga.episode.copying import Copied, conforms, copy_span
from sakuga.episode.footage import Footage
from sakuga.episode.form import Form, choose_form
from sakuga.episode.spec import EpisodeSpec, Scene
from sakuga.episode.timeline import Segment, Span, Timeline
from sakuga.errors import CancelledError, DamagedMediaError
from sakuga.media.avc import profile_and_level
from sakuga.media.decode import FrameReader
from sakuga.media.ffmpeg import ffmpeg_path, file_url, run
from sakuga.media.picture import Plane
from sakuga.media.probe import probe
from sakuga.settings import Limits, Settings
from tests.assets import ASSETS
from tests.clips import decoded_lumas, decoded_times, make_clip
from tests.episode.footages import footage_of
from tests.episode.joins import join, make_form, shown_numbers, write_segment
from tests.media.results import EIGHT, SIZE, planes_of

RATE = Fraction(24)
FRAMES = 60
PLACES = 9
"""Places that are damaged, one after the other."""

KEY = 12
CLOSED = f"keyint={KEY}:min-keyint={KEY}:scenecut=0:open-gop=0"
BFRAMES = {"x264-params": f"{CLOSED}:bframes=3:b-pyramid=normal", "preset": "medium"}
PLAIN = {"x264-params": f"{CLOSED}:bframes=0:ref=1:cabac=0", "preset": "ultrafast"}
OPEN = {"x264-params": f"keyint={KEY}:min-keyint={KEY}:scenecut=0:open-gop=1:bframes=3", "preset": "medium"}


def clip(
    folder: Path, options: Mapping[str, str] = BFRAMES, name: str = "clip.mp4", **others: object
) -> Path:
    """A tagged clip with a keyframe every half second."""

    def prepare(stream: av.VideoStream) -> None:
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1

    wanted = {"frames": FRAMES, "size": SIZE, "rate": RATE, "prepare": prepare} | others
    return make_clip(folder / name, options=options, **wanted)  # type: ignore[arg-type]


def form_for(container: str = "mp4") -> Form:
    return make_form(container, rate=RATE)  # type: ignore[arg-type]


def copied(footage: Footage, first: int, last: int, output: Path) -> Copied | None:
    return copy_span(footage, Span(scene=0, first=first, last=last), form_for(), output, Settings())


def timeline_of(lengths: list[int]) -> Timeline:
    segments, first = [], 0
    for length in lengths:
        segments.append(Segment(kind="plain", first=first, last=first + length))
        first += length
    return Timeline(rate=RATE, frames=first, scenes=(), segments=tuple(segments))


@pytest.mark.parametrize("options", [BFRAMES, PLAIN], ids=["b-frames", "plain"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov"])
def test_a_whole_clip_is_copied_bit_for_bit(tmp_path: Path, options: Mapping[str, str], name: str) -> None:
    footage = footage_of(clip(tmp_path, options, name), RATE)
    made = copied(footage, 0, FRAMES, tmp_path / "out")
    assert made is not None
    assert (made.frames, made.copied) == (FRAMES, FRAMES)
    for ours, theirs in zip(decoded_lumas(tmp_path / "out"), decoded_lumas(footage.path), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("first", "last", "kept"),
    [(0, 24, 24), (12, 36, 24), (5, 40, 24), (11, 25, 12), (13, 60, 36), (1, 60, 48), (0, 59, 48)],
)
@pytest.mark.parametrize("options", [BFRAMES, PLAIN], ids=["b-frames", "plain"])
def test_only_frames_before_a_keyframe_and_after_the_last_whole_part_are_coded(
    tmp_path: Path, options: Mapping[str, str], first: int, last: int, kept: int
) -> None:
    footage = footage_of(clip(tmp_path, options), RATE)
    made = copied(footage, first, last, tmp_path / "out")
    assert made is not None
    assert made.frames == last - first
    assert kept <= made.copied < kept + KEY
    assert shown_numbers(tmp_path / "out") == list(range(first, last))
    source, result = decoded_lumas(footage.path), decoded_lumas(tmp_path / "out")
    begin = -(-first // KEY) * KEY
    for number in range(begin, begin + made.copied):
        assert np.array_equal(source[number], result[number - first])
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_a_span_counts_from_the_start_of_its_scene(tmp_path: Path) -> None:
    footage = footage_of(clip(tmp_path), RATE, start=Fraction(1, 4), end=Fraction(2))
    made = copied(footage, 2, 40, tmp_path / "out")
    assert made is not None
    assert 24 <= made.copied < 24 + KEY
    assert shown_numbers(tmp_path / "out") == list(range(8, 46))


@pytest.mark.parametrize(("first", "last"), [(1, 12), (13, 23), (30, 30 + KEY), (59, 60)])
def test_a_span_that_holds_next_to_nothing_from_a_keyframe_on_is_not_copied(
    tmp_path: Path, first: int, last: int
) -> None:
    footage = footage_of(clip(tmp_path), RATE)
    assert copied(footage, first, last, tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
def test_copied_and_coded_segments_of_three_encoders_are_one_video(tmp_path: Path, container: str) -> None:
    first = footage_of(clip(tmp_path, BFRAMES, "first.mp4"), RATE)
    second = footage_of(clip(tmp_path, PLAIN, "second.mkv"), RATE)
    form = form_for(container)
    names = [tmp_path / f"segment-{number}" for number in range(5)]
    write_segment(names[0], form, range(100, 107))
    assert copied(first, 5, 40, names[1])
    write_segment(names[2], form, range(200, 213))
    assert copied(second, 0, 60, names[3])
    write_segment(names[4], form, range(300, 305))
    timeline = timeline_of([7, 35, 13, 60, 5])
    made = join(tmp_path, names, timeline, form)
    wanted = [*range(100, 107), *range(5, 40), *range(200, 213), *range(60), *range(300, 305)]
    assert shown_numbers(made.path) == wanted
    tolerance = Fraction(1, 1000) if container == "mkv" else 0
    assert all(abs(time - k / RATE) <= tolerance for k, time in enumerate(decoded_times(made.path)))
    if container != "mkv":
        with av.open(str(made.path)) as file:
            assert file.streams.video[0].codec_context.codec_tag == "avc3"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_going_anywhere_in_a_joined_video_shows_the_right_frame(tmp_path: Path, container: str) -> None:
    footage = footage_of(clip(tmp_path, PLAIN), RATE)
    form = form_for(container)
    parts = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    write_segment(parts[0], form, range(100, 120))
    assert copied(footage, 3, 57, parts[1])
    write_segment(parts[2], form, range(200, 220))
    made = join(tmp_path, parts, timeline_of([20, 54, 20]), form)
    in_order = decoded_lumas(made.path)
    for number in range(0, 94, 7):
        with av.open(str(made.path)) as file:
            stream = file.streams.video[0]
            assert stream.time_base is not None
            file.seek(round(number / RATE / stream.time_base), stream=stream, backward=True)
            for frame in file.decode(stream):
                assert frame.pts is not None
                if round(frame.pts * stream.time_base * RATE) == number:
                    assert np.array_equal(frame.to_ndarray(format="gray"), in_order[number])
                    break
            else:
                pytest.fail(f"frame {number} did not come")


def test_clips_with_the_encoders_own_parameters_need_none_in_the_stream(tmp_path: Path) -> None:
    form = form_for()
    path = write_segment(tmp_path / "own.mp4", form, range(30))
    footage = footage_of(path, RATE)
    names = [tmp_path / "a", write_segment(tmp_path / "b", form, range(100, 110))]
    assert copied(footage, 0, 30, names[0])
    made = join(tmp_path, names, timeline_of([30, 10]), form)
    assert shown_numbers(made.path) == [*range(30), *range(100, 110)]
    with av.open(str(made.path)) as file:
        assert file.streams.video[0].codec_context.codec_tag == "avc1"


def test_a_clip_with_open_groups_is_copied_only_from_a_closed_one_on(tmp_path: Path) -> None:
    footage = footage_of(clip(tmp_path, OPEN), RATE)
    assert copied(footage, 3, FRAMES, tmp_path / "part") is None
    made = copied(footage, 0, FRAMES, tmp_path / "whole")
    assert made is not None
    assert shown_numbers(tmp_path / "whole") == list(range(FRAMES))


def other(stream: av.VideoStream) -> None:
    stream.codec_context.colorspace = stream.codec_context.color_primaries = 5
    stream.codec_context.color_trc, stream.codec_context.color_range = 6, 1


@pytest.mark.parametrize(
    "changes",
    [
        {"size": (64, 64)},
        {"rate": Fraction(25)},
        {"codec": "libx265", "options": {"x265-params": "log-level=error"}},
        {"pix_fmt": "yuv444p"},
        {"prepare": other},
        {"options": {"x264-params": "tff=1"}},
    ],
    ids=["size", "rate", "codec", "chroma", "colour", "interlaced"],
)
def test_a_clip_of_another_form_is_not_copied(tmp_path: Path, changes: dict[str, object]) -> None:
    options = changes.pop("options", BFRAMES)
    footage = footage_of(clip(tmp_path, options, **changes), RATE)  # type: ignore[arg-type]
    assert not conforms(footage, form_for())
    assert copied(footage, 0, 24, tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "scene", [{"speed": Fraction(2)}, {"speed": Fraction(999, 1000)}], ids=["twice", "slightly"]
)
def test_a_scene_at_another_speed_is_not_copied(tmp_path: Path, scene: dict[str, Fraction]) -> None:
    assert copied(footage_of(clip(tmp_path), RATE, **scene), 0, 24, tmp_path / "out") is None


def test_a_clip_of_varying_rate_is_not_copied(tmp_path: Path) -> None:
    times = [k + k * k // 50 for k in range(FRAMES)]
    path = clip(tmp_path, times=times, time_base=Fraction(1, 24))
    assert copied(footage_of(path, RATE), 0, 24, tmp_path / "out") is None


def test_a_cancelled_copy_leaves_nothing(tmp_path: Path) -> None:
    footage = footage_of(clip(tmp_path), RATE)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(CancelledError):
        copy_span(
            footage,
            Span(scene=0, first=3, last=50),
            form_for(),
            folder / "copied",
            Settings(),
            cancelled=lambda: True,
        )
    assert list(folder.iterdir()) == []


@given(
    st.integers(min_value=0, max_value=FRAMES - 1),
    st.integers(min_value=1, max_value=FRAMES),
    st.sampled_from(["b-frames", "plain", "open"]),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_of_a_clip_has_its_frames(tmp_path: Path, first: int, length: int, kind: str) -> None:
    options = {"b-frames": BFRAMES, "plain": PLAIN, "open": OPEN}[kind]
    path = tmp_path / f"{kind}.mp4"
    footage = footage_of(path if path.exists() else clip(tmp_path, options, path.name), RATE)
    last = min(first + length, FRAMES)
    output = tmp_path / "out"
    output.unlink(missing_ok=True)
    if copied(footage, first, last, output):
        assert shown_numbers(output) == list(range(first, last))
    else:
        assert not output.exists()


@pytest.mark.parametrize("options", [BFRAMES, PLAIN], ids=["b-frames", "plain"])
@pytest.mark.parametrize("damage", [b"\xff" * 4, bytes(30), b"\xa5" * 300], ids=len)
def test_damaged_packets_are_never_copied(tmp_path: Path, options: Mapping[str, str], damage: bytes) -> None:
    path, output = clip(tmp_path, options), tmp_path / "out"
    footage, whole = footage_of(path, RATE), path.read_bytes()
    begin, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 8 - len(damage)
    refused = 0
    for place in np.linspace(begin, end, PLACES).astype(int):
        path.write_bytes(whole[:place] + damage + whole[place + len(damage) :])
        try:
            made = copied(footage, 0, FRAMES, output)
        except DamagedMediaError:
            made = None
        if made is None:
            assert not output.exists()
            refused += 1
            continue
        # what a decoder does not notice is no damage that anybody could tell
        probed = probe(output, Limits())
        with FrameReader(output, probed.info.video, probed.packets, limits=Limits()) as reader:
            assert len(list(reader.read(0, FRAMES))) == FRAMES
        output.unlink()
    assert refused


@pytest.mark.parametrize("options", [BFRAMES, OPEN], ids=["b-frames", "open"])
def test_the_end_of_a_group_can_be_left_out(tmp_path: Path, options: Mapping[str, str]) -> None:
    long = {key: value.replace(f"keyint={KEY}", "keyint=250") for key, value in options.items()}
    footage = footage_of(clip(tmp_path, long), RATE)
    made = copied(footage, 0, 41, tmp_path / "out")
    assert made is not None
    assert made.copied >= 36
    assert shown_numbers(tmp_path / "out") == list(range(41))


def test_another_build_of_ffmpeg_finds_nothing_wrong_with_a_mixed_video(tmp_path: Path) -> None:
    form = form_for()
    names = [write_segment(tmp_path / "a", form, range(100, 110)), tmp_path / "b", tmp_path / "c"]
    assert copied(footage_of(clip(tmp_path, BFRAMES, "first.mp4"), RATE), 5, 50, names[1])
    assert copied(footage_of(clip(tmp_path, PLAIN, "second.mp4"), RATE), 0, 41, names[2])
    made = join(tmp_path, names, timeline_of([10, 45, 41]), form)
    argv = [str(ffmpeg_path(Settings())), "-nostdin", "-loglevel", "warning", "-xerror"]
    said = run([*argv, "-i", file_url(made.path), "-f", "null", "-"], timeout=60)
    assert said == ""


@pytest.mark.parametrize(
    ("name", "first"), [("gopro_karma_drone.mp4", 7), ("bikes.mp4", 7), ("chaplin_bw_mp3audio.mp4", 0)]
)
def test_real_clips_are_copied_bit_for_bit(tmp_path: Path, name: str, first: int) -> None:
    path = ASSETS / "video" / name
    if not path.exists():
        pytest.skip("needs the real clips")
    info = probe(path, Limits()).info
    form = choose_form(EpisodeSpec(scenes=(Scene(clip=name),)), [info])
    footage = footage_of(path, form.rate)
    made = copy_span(footage, Span(scene=0, first=first, last=100), form, tmp_path / "out", Settings())
    assert made is not None
    assert made.copied > 50
    source, result = stored_lumas(path)[first:100], stored_lumas(tmp_path / "out")
    assert len(result) == len(source)
    same = [np.array_equal(ours, theirs) for ours, theirs in zip(source, result, strict=True)]
    assert sum(same) >= made.copied


def stored_lumas(path: Path) -> list[Plane]:
    """Luma of the first hundred frames as it is stored, whatever its range is said to be."""
    with av.open(str(path)) as container:
        frames = islice(container.decode(video=0), 100)
        return [planes_of(frame, EIGHT)[0] for frame in frames]


def test_the_header_of_a_mixed_video_is_that_of_its_most_demanding_part(tmp_path: Path) -> None:
    form = make_form(rate=RATE, preset="ultrafast")
    names = [write_segment(tmp_path / "a", form, range(100, 110)), tmp_path / "b"]
    assert copied(footage_of(clip(tmp_path), RATE), 0, FRAMES, names[1])
    made = join(tmp_path, names, timeline_of([10, FRAMES]), form)
    with av.open(str(names[0])) as first, av.open(str(made.path)) as whole:
        headers = [file.streams.video[0].codec_context.extradata or b"" for file in (first, whole)]
    assert [profile_and_level(header)[0] for header in headers] == [66, 100]
    assert shown_numbers(made.path) == [*range(100, 110), *range(FRAMES)]
