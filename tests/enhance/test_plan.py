from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.enhance.plan import Plan
from sakuga.enhance.planner import check_request, make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import ContractError, HdrError, LimitError, OptionError, UnreadableMediaError
from sakuga.media.film import Film
from sakuga.media.info import PixelLayout
from sakuga.media.packets import PacketIndex
from sakuga.media.timing import MAX_TIMESCALE, progressive_track, regular_track
from sakuga.settings import Limits
from tests.enhance.given import info, packets, regular_packets, varying_track, video

RATES = [Fraction(r) for r in ("24000/1001", "24", "25", "30000/1001", "60", "45000/1499")]
MILLISECOND = Fraction(1, 1000)
rates = st.sampled_from(RATES) | st.fractions(1, 120, max_denominator=1500)
offsets = st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(1024, 44100)]) | st.fractions(
    0, 5, max_denominator=1000
)
lengths = st.sampled_from([0.2, 1.0, 2.0, 7.0, 3600.0])
methods = st.sampled_from(["nearest", "blend", "flow"])


def plan_of(index: PacketIndex, start: Fraction = Fraction(0), *, rate: Fraction | None, **spec: Any) -> Plan:  # noqa: ANN401 - fields of a spec
    stream = video(
        frame_rate=rate or Fraction(24),
        constant_rate=rate is not None,
        frames=len(index),
        start=int(index.pts[0]) * index.time_base,
        duration=(index.end - int(index.pts[0])) * index.time_base,
        time_base=index.time_base,
    )
    track = progressive_track(stream, index)
    return make_plan(info(stream, start), index, track, EnhanceSpec(**spec), Limits())


@st.composite
def sources(draw: st.DrawFn) -> tuple[PacketIndex, Fraction | None, Fraction]:
    """Packets, their constant rate if they have one, and when the container's first stream starts."""
    start = draw(st.fractions(-3, 3, max_denominator=1000))
    offset = draw(offsets)
    keyframes = draw(st.lists(st.integers(1, 60), max_size=6))
    rate = draw(rates | st.none())
    if rate is None:
        gaps = draw(st.lists(st.integers(1, 400), min_size=1, max_size=120))
        times = [round(1000 * start)]
        for gap in gaps:
            times.append(times[-1] + gap)
        index = packets(times[:-1], times[-1], MILLISECOND, [0])
    else:
        index = regular_packets(draw(st.integers(1, 200)), rate, start=round(start * rate) / rate)
    index.keyframe[[k for k in keyframes if k < len(index)]] = True
    return index, rate, int(index.pts[0]) * index.time_base - offset


@given(sources(), rates | st.none(), methods, lengths)
def test_chunks_partition_the_output_and_hold_what_their_frames_need(
    source: tuple[PacketIndex, Fraction | None, Fraction], fps: Fraction | None, method: str, length: float
) -> None:
    index, rate, start = source
    plan = plan_of(index, start, rate=rate, fps=fps, interpolation=method, chunk_seconds=length)
    edges = [chunk.first for chunk in plan.chunks] + [len(plan.times)]
    assert edges[0] == 0
    assert [chunk.end for chunk in plan.chunks] == edges[1:]
    assert all(chunk.frames > 0 for chunk in plan.chunks)
    assert [chunk.index for chunk in plan.chunks] == list(range(len(plan.chunks)))
    assert len(plan.left) == len(plan.weight) == len(plan.times)
    for chunk in plan.chunks:
        frames = range(chunk.first, chunk.end)
        assert chunk.film_first == min(plan.left[j] for j in frames)
        assert chunk.film_end == max(plan.left[j] + (plan.weight[j] > 0) for j in frames) + 1
        assert chunk.film_end <= plan.film.count


@given(sources(), rates | st.none(), methods)
def test_times_do_not_depend_on_the_length_of_chunks(
    source: tuple[PacketIndex, Fraction | None, Fraction], fps: Fraction | None, method: str
) -> None:
    index, rate, start = source
    plans = [
        plan_of(index, start, rate=rate, fps=fps, interpolation=method, chunk_seconds=length)
        for length in (0.2, 1, 2, 7, 3600)
    ]
    assert len({plan.model_copy(update={"chunks": ()}).model_dump_json() for plan in plans}) == 1


@given(sources(), rates | st.none())
def test_no_drift_from_the_first_frame_to_the_end(
    source: tuple[PacketIndex, Fraction | None, Fraction], fps: Fraction | None
) -> None:
    index, rate, start = source
    plan = plan_of(index, start, rate=rate, fps=fps)
    assert all(a < b for a, b in zip(plan.times, (*plan.times[1:], plan.end), strict=True))
    first = int(index.pts[0]) * index.time_base - start
    end = index.end * index.time_base - start
    assert plan.time(0) == first
    if plan.frame_rate is None:
        assert [plan.time(j) + start for j in range(len(index))] == [
            pts * index.time_base for pts in index.pts.tolist()
        ]
        assert plan.end * plan.time_base == end
    else:
        assert [plan.time(j) - first for j in range(len(plan.times))] == [
            j / plan.frame_rate for j in range(len(plan.times))
        ]
        assert abs(plan.end * plan.time_base - end) < 1 / plan.frame_rate


@given(sources(), rates | st.none())
@settings(max_examples=30)
def test_a_plan_survives_json(
    source: tuple[PacketIndex, Fraction | None, Fraction], fps: Fraction | None
) -> None:
    index, rate, start = source
    plan = plan_of(index, start, rate=rate, fps=fps, chunk_seconds=1)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("method", ["nearest", "blend", "flow"])
def test_the_sources_own_rate_changes_nothing(rate: Fraction, method: str) -> None:
    index = regular_packets(100, rate, tick=MILLISECOND)
    kept = plan_of(index, rate=rate)
    assert plan_of(index, rate=rate, fps=rate, interpolation=method) == kept
    assert kept.left == tuple(range(100))
    assert not any(kept.weight)
    assert kept.frame_rate == rate


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(60)])
def test_two_hours_end_with_their_sound(fps: Fraction) -> None:
    rate = Fraction(24000, 1001)
    index = regular_packets(172_800, rate, tick=MILLISECOND)
    plan = plan_of(index, rate=rate, fps=fps, interpolation="nearest")
    assert abs(plan.end * plan.time_base - 172_800 / rate) <= 1 / (2 * fps)
    assert abs(plan.left[-1] / rate - plan.time(len(plan.times) - 1)) <= 1 / rate


def cuts(plan: Plan) -> list[int]:
    return [chunk.first for chunk in plan.chunks]


def test_chunks_start_at_keyframes_near_their_target() -> None:
    index = regular_packets(24 * 30, Fraction(24), gop=48)
    assert cuts(plan_of(index, rate=Fraction(24), chunk_seconds=4.5)) == [0, 96, 192, 288, 384, 480, 576, 672]


def test_chunks_start_exactly_at_their_target_where_no_keyframe_is_near() -> None:
    index = regular_packets(24 * 30, Fraction(24))
    assert cuts(plan_of(index, rate=Fraction(24), chunk_seconds=3))[:5] == [0, 72, 144, 216, 288]


def test_a_length_in_decimals_is_meant_exactly() -> None:
    index = regular_packets(20, Fraction(25))
    assert cuts(plan_of(index, rate=Fraction(25), chunk_seconds=0.2)) == [0, 5, 10, 15]


def test_a_chunk_of_a_higher_rate_starts_where_the_keyframe_is_first_shown() -> None:
    index = regular_packets(24 * 10, Fraction(24), gop=50)
    plan = plan_of(index, rate=Fraction(24), fps=60, chunk_seconds=2, interpolation="nearest")
    for chunk in plan.chunks:
        assert plan.left[chunk.first] % 50 == 0
        assert chunk.first == 0 or plan.left[chunk.first - 1] < plan.left[chunk.first]


def test_bobbed_film_is_cut_before_the_first_field_of_a_keyframe() -> None:
    index = regular_packets(100, Fraction(25), gop=24)
    track = regular_track(Film(kind="bob", count=200), Fraction(0), Fraction(50))
    plan = make_plan(info(video()), index, track, EnhanceSpec(chunk_seconds=1), Limits())
    assert cuts(plan) == [0, 48, 96, 144]


def test_woven_film_keeps_its_own_rate_and_is_cut_at_keyframes() -> None:
    index = regular_packets(100, Fraction(30000, 1001), gop=20)
    top = tuple(5 * (k // 4) + (0, 1, 2, 4)[k % 4] for k in range(80))
    bottom = tuple(5 * (k // 4) + (0, 1, 3, 4)[k % 4] for k in range(80))
    film = Film(kind="woven", count=80, top=top, bottom=bottom, combed=(False,) * 80)
    rate = Fraction(24000, 1001)
    track = regular_track(film, Fraction(0), rate)
    plan = make_plan(info(video()), index, track, EnhanceSpec(chunk_seconds=0.7), Limits())
    assert plan.frame_rate == rate
    assert cuts(plan) == [0, 16, 32, 48, 64]


def test_a_unit_that_no_container_holds_is_made_coarser_and_frames_stay_exact() -> None:
    rate = Fraction(99_991, 1009)
    offset = Fraction(1, 999_979)
    plan = plan_of(regular_packets(50, rate), -offset, rate=rate)
    assert plan.time_base.denominator <= MAX_TIMESCALE
    assert abs(plan.time(0) - offset) < Fraction(1, 10**6)
    assert {plan.time(j + 1) - plan.time(j) for j in range(49)} == {1 / rate}


@pytest.mark.parametrize(
    ("rotation", "scale", "chroma"), [(0, 1, "422"), (90, 1, "444"), (90, "3/2", "444"), (90, 2, "420")]
)
def test_the_layout_follows_from_the_upright_picture_and_its_enlargement(
    rotation: int, scale: str, chroma: str
) -> None:
    stored = PixelLayout(chroma="422", depth=10)
    stream = video(layout=stored, pix_fmt="yuv422p10le", rotation=rotation)
    index = regular_packets(4, Fraction(24))
    spec = EnhanceSpec(scale=Fraction(scale))
    plan = make_plan(info(stream), index, progressive_track(stream, index), spec, Limits())
    assert plan.layout == PixelLayout.model_validate({"chroma": chroma, "depth": 10})


def refuse(stream: dict[str, Any], spec: dict[str, Any], limits: Limits | None = None) -> None:
    check_request(info(video(**stream)), EnhanceSpec(**spec), limits or Limits())


def test_high_dynamic_range_is_refused_with_the_option_that_helps() -> None:
    with pytest.raises(HdrError, match=r"PQ.*--tonemap"):
        refuse({"hdr": "pq"}, {})
    refuse({"hdr": "hlg"}, {"tonemap": True})


def test_a_rate_beyond_the_limit_is_refused() -> None:
    with pytest.raises(LimitError, match="max_frame_rate"):
        refuse({}, {"fps": 121}, Limits(max_frame_rate=120))
    refuse({}, {"fps": 120}, Limits(max_frame_rate=120))


def test_av1_refuses_rates_that_its_encoder_does_not_take() -> None:
    with pytest.raises(OptionError, match="240"):
        refuse({}, {"fps": 241, "codec": "av1"})
    with pytest.raises(OptionError, match="240"):
        refuse({"frame_rate": Fraction(300)}, {"codec": "av1"})
    refuse({"frame_rate": Fraction(300)}, {"codec": "av1", "fps": 60})


def test_the_mean_of_a_variable_rate_may_be_any_fraction() -> None:
    refuse({"frame_rate": Fraction(10**12 + 1, 10**11), "constant_rate": False}, {})


def test_presets_and_depths_that_the_codec_has_not_are_refused() -> None:
    with pytest.raises(OptionError, match="preset"):
        refuse({}, {"preset": "7"})
    refuse({}, {"preset": "7", "codec": "av1"})
    with pytest.raises(OptionError, match="ProRes"):
        refuse({}, {"codec": "prores", "container": "mov", "bit_depth": "8"})


def test_a_rate_that_no_container_holds_is_refused() -> None:
    with pytest.raises(OptionError, match="24000/1001"):
        refuse({}, {"fps": Fraction("23.97602397602397")})


def test_too_many_frames_are_refused_before_they_are_planned() -> None:
    with pytest.raises(LimitError, match="max_frames"):
        refuse({"duration": Fraction(10**6)}, {"fps": 60})
    index = regular_packets(100, Fraction(24))
    track = progressive_track(video(), index)
    with pytest.raises(LimitError, match="100 frames"):
        make_plan(info(video()), index, track, EnhanceSpec(), Limits(max_frames=99))


def test_a_size_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(OptionError, match="height"):
        refuse({}, {"height": 100})


def test_a_source_without_frames_is_refused() -> None:
    index = packets([0], 1, MILLISECOND)
    with pytest.raises(UnreadableMediaError, match="no frame"):
        make_plan(info(video()), index, varying_track([], 10), EnhanceSpec(), Limits())


def test_times_that_do_not_increase_break_the_contract() -> None:
    index = packets([0, 1, 2], 10, MILLISECOND)
    for track in (varying_track([0, 2, 2], 10), varying_track([0, 1, 2], 2)):
        with pytest.raises(ContractError, match="increase"):
            make_plan(info(video()), index, track, EnhanceSpec(), Limits())


def test_a_picture_before_the_start_of_its_container_breaks_the_contract() -> None:
    index = packets([0, 1, 2], 10, MILLISECOND)
    with pytest.raises(ContractError, match="before"):
        make_plan(info(video(), Fraction(1)), index, varying_track([0, 1, 2], 10), EnhanceSpec(), Limits())


def test_a_single_frame_is_one_chunk_at_any_rate() -> None:
    index = packets([5], 6, MILLISECOND)
    for fps in (None, Fraction(1), Fraction(24)):
        plan = plan_of(index, rate=None, fps=fps)
        assert (plan.left, plan.weight, len(plan.chunks)) == ((0,), (0,), 1)
