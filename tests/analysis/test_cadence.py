from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.analysis.cadence import Analysis, analyse, is_soft_telecine
from sakuga.enhance.spec import Deinterlace, EnhanceSpec
from sakuga.media.decode import FrameReader
from sakuga.media.film import Film, film_pictures
from sakuga.media.info import Frozen, MediaInfo, PixelLayout
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.clips import make_clip, numbered, read_number
from tests.media.pictures import MemoryReader, stream

NTSC = Fraction(30000, 1001)
FILM = Fraction(24000, 1001)
SIZE = (192, 128)
BAR_START = 8
Luma = NDArray[np.uint8]


def drawn(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A drawing whose bar code changes by one bit at a time, as pictures change little by little."""
    picture = numbered(number, width, height)
    bar = max(2, height // 8)
    picture[:bar] = numbered(number ^ number >> 1, width, height)[:bar]
    return picture


def number_in(luma: NDArray[np.uint8] | NDArray[np.uint16]) -> int:
    code = read_number(luma)
    number = 0
    while code:
        number ^= code
        code >>= 1
    return number


def moving(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A white bar that says the number by its place: two samples further in every picture."""
    picture = numbered(0, width, height)
    picture[: height // 8] = 60
    picture[height // 6 :, BAR_START + 2 * number : BAR_START + 2 * number + 12] = 255
    return picture


def place_of_bar(luma: NDArray[np.uint8] | NDArray[np.uint16]) -> int:
    brightness = luma[luma.shape[0] // 3 : -luma.shape[0] // 4].mean(axis=0)
    return round((int(np.argmax(brightness > 0.8 * brightness.max())) - BAR_START) / 2)


def luma(number: int, size: tuple[int, int] = SIZE) -> Luma:
    return grey(drawn(number, *size))


def grey(rgb: NDArray[np.uint8]) -> Luma:
    levels: Luma = (rgb @ np.array([0.2126, 0.7152, 0.0722])).astype(np.uint8)
    return levels


def weave(top: Luma, bottom: Luma) -> Luma:
    woven = top.copy()
    woven[1::2] = bottom[1::2]
    return woven


def interlaced(frames: int, *, top_first: bool = True) -> list[Luma]:
    moments = [grey(moving(number, *SIZE)) for number in range(2 * frames)]
    pairs = zip(moments[0::2], moments[1::2], strict=True)
    return [weave(*pair) if top_first else weave(*pair[::-1]) for pair in pairs]


def telecined(film: list[Luma], *, top_first: bool = True, phase: int = 0) -> list[Luma]:
    """3:2 pulldown: pictures give three fields and two fields in turn."""
    fields = list(chain.from_iterable([picture] * (3 - (n + phase) % 2) for n, picture in enumerate(film)))
    pairs = zip(fields[0::2], fields[1::2], strict=False)
    return [weave(*pair) if top_first else weave(*pair[::-1]) for pair in pairs]


def noisy(frames: list[Luma], strength: float) -> list[Luma]:
    random = np.random.default_rng(1)
    return [np.clip(f + random.normal(0, strength, f.shape), 0, 255).astype(np.uint8) for f in frames]


class Found(Frozen):
    """An analysis with the film that it makes."""

    analysis: Analysis
    numbers: tuple[int, ...]

    @property
    def kind(self) -> str:
        return self.analysis.found.kind


def look(
    frames: list[Luma],
    rate: Fraction = NTSC,
    deinterlace: Deinterlace = "auto",
    times: list[int] | None = None,
    **fields: object,
) -> Found:
    """Analyse frames in memory, at a constant rate or at times in units of half a frame."""
    layout = PixelLayout(chroma="gray", depth=8)
    reader = MemoryReader([Picture((frame,), layout) for frame in frames])
    video = stream(reader.pictures[0], len(frames), rate, constant_rate=times is None, **fields)
    info = MediaInfo(
        container="matroska", size=1, start=Fraction(0), duration=len(frames) / rate, video=video
    )
    ticks = times or list(range(0, 2 * len(frames), 2))
    packets = PacketIndex(
        time_base=1 / rate / 2,
        pts=np.array(ticks, np.int64),
        keyframe=np.arange(len(frames)) % 12 == 0,
        end=ticks[-1] + 2,
    )
    analysis = analyse(reader, info, packets, EnhanceSpec(deinterlace=deinterlace))
    film = analysis.track.film
    shown = film_pictures(reader, film, 0, film.count, video)
    return Found(analysis=analysis, numbers=numbers_of(shown, film))


def numbers_of(shown: Iterator[Picture], film: Film) -> tuple[int, ...]:
    """Numbers of film frames; of a field, read from its own lines, for no filter can know the others."""
    if film.kind != "bob":
        return tuple(number_in(picture.planes[0]) for picture in shown)
    line = 0 if film.top_field_first else 1
    return tuple(place_of_bar(p.planes[0][(line + n) % 2 :: 2]) for n, p in enumerate(shown))


def assert_times_are_even(analysis: Analysis, rate: Fraction) -> None:
    track = analysis.track
    assert track.rate == rate
    assert len(track.times) == track.film.count
    assert all((b - a) * track.time_base == 1 / rate for a, b in pairwise([*track.times, track.end]))


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("phase", range(4))
@pytest.mark.parametrize("cut", range(3))
def test_telecined_film_comes_back_every_picture_once(top_first: bool, phase: int, cut: int) -> None:
    film = [luma(number) for number in range(34)]
    frames = telecined(film, top_first=top_first, phase=phase)[cut:40]
    found = look(frames)
    assert found.kind == "telecined"
    assert found.analysis.found.field_order == ("tff" if top_first else "bff")
    # the first and the last frame may hold fields of pictures whose other field is cut off
    inner = found.numbers[1:-1]
    assert list(inner) == list(range(inner[0], inner[0] + len(inner)))
    assert sum(found.analysis.track.film.combed) <= 1
    assert_times_are_even(found.analysis, FILM)


def test_telecined_film_has_its_own_pictures_back_bit_for_bit() -> None:
    film = [luma(number) for number in range(32)]
    frames = telecined(film)
    layout = PixelLayout(chroma="gray", depth=8)
    reader = MemoryReader([Picture((frame,), layout) for frame in frames])
    found = look(frames)
    video = stream(reader.pictures[0], len(frames), NTSC)
    track = found.analysis.track
    shown = list(film_pictures(reader, track.film, 0, track.film.count, video))
    assert found.numbers == tuple(range(32))
    assert all(np.array_equal(picture.planes[0], film[n]) for n, picture in enumerate(shown))


def test_telecined_film_with_grain_or_held_drawings_is_found() -> None:
    grainy = look(noisy(telecined([luma(number) for number in range(40)]), 6))
    assert grainy.kind == "telecined"
    assert grainy.numbers == tuple(range(40))
    held = look(telecined([luma(number // 2) for number in range(80)]))
    assert held.kind == "telecined"
    assert sorted(set(held.numbers)) == list(range(40))
    assert list(held.numbers) == sorted(held.numbers)


def test_fields_of_a_telecine_at_another_rate_are_matched_but_no_frame_is_dropped() -> None:
    frames = telecined([luma(number) for number in range(32)])
    found = look(frames, Fraction(25))
    assert found.analysis.track.film.count == 40
    assert list(found.numbers) == sorted(found.numbers)
    assert set(found.numbers) == set(range(32))


def test_a_long_telecined_film_is_sampled_then_read_whole() -> None:
    frames = telecined([luma(number) for number in range(240)])
    assert look(frames).numbers == tuple(range(240))


def test_video_in_a_telecined_film_stays_in_time_and_is_marked_combed() -> None:
    film = [luma(number) for number in range(64)]
    frames = telecined(film) + interlaced(20)
    found = look(frames)
    assert found.kind == "telecined"
    assert found.analysis.track.film.count == 80
    assert sum(found.analysis.track.film.combed) >= 12
    assert found.numbers[:64] == tuple(range(64))


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("flag", ["tff", "bff", "progressive"])
def test_interlaced_video_gives_a_frame_of_every_field_whatever_the_flag_says(
    top_first: bool, flag: str
) -> None:
    found = look(interlaced(30, top_first=top_first), field_order=flag)
    assert found.kind == "interlaced"
    assert found.analysis.track.film.kind == "bob"
    assert found.numbers == tuple(range(60))
    assert_times_are_even(found.analysis, 2 * NTSC)


def test_interlaced_video_of_variable_rate_has_its_second_fields_halfway() -> None:
    times = [0, 2, 4, 6, 12, 14, *range(16, 64, 2)]
    found = look(interlaced(30), times=times)
    track = found.analysis.track
    assert track.rate is None
    seconds = [time * track.time_base * NTSC * 2 for time in track.times]
    assert seconds[6:12] == [6, 9, 12, 13, 14, 15]
    assert track.end * track.time_base * NTSC * 2 == 64


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(60)])
def test_progressive_pictures_stay_as_they_are(rate: Fraction) -> None:
    frames = [luma(number) for number in range(48)]
    for flag in ("progressive", "tff", "unknown"):
        found = look(frames, rate, field_order=flag)
        assert found.kind == "progressive"
        assert found.numbers == tuple(range(48))
        assert_times_are_even(found.analysis, rate)


def stripes(number: int) -> Luma:
    """Lines of one sample that drift, the hardest picture to tell from combing."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    picture = np.where((y + (x + number) // 24) % 2 == 0, 40, 200).astype(np.uint8)
    picture[20:60, 20 + number : 60 + number] = 120
    return picture


def still(_: int) -> Luma:
    return luma(5)


def snow(number: int) -> Luma:
    return np.random.default_rng(number).integers(0, 256, SIZE[::-1], dtype=np.uint8)


def on_twos(number: int) -> Luma:
    return luma(number // 2)


def on_threes(number: int) -> Luma:
    return luma(number // 3)


def slow(number: int) -> Luma:
    """A soft slope that drifts by less than a code value in a frame."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    wave: Luma = (80 + 40 * np.sin((x + y + number / 4) / 25)).astype(np.uint8)
    return wave


def pan_down(number: int) -> Luma:
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    return np.where((x // 9 + (y + 3 * number) // 7) % 2 == 0, 60, 180).astype(np.uint8)


@pytest.mark.parametrize("draw", [stripes, still, snow, on_twos, on_threes, slow, pan_down])
@pytest.mark.parametrize("rate", [Fraction(24), NTSC])
def test_what_only_looks_like_fields_or_repeats_stays_as_it_is(draw: object, rate: Fraction) -> None:
    assert callable(draw)
    found = look([draw(number) for number in range(60)], rate)
    assert found.kind == "progressive"
    assert found.analysis.track.film.top == ()
    assert found.analysis.track.film.count == 60


@pytest.mark.parametrize(
    ("rate", "film_rate", "period"),
    [(NTSC, FILM, 5), (Fraction(30), Fraction(24), 5), (Fraction(30), Fraction(25), 6)],
)
@pytest.mark.parametrize("phase", range(5))
def test_film_brought_up_by_repeats_comes_back(
    rate: Fraction, film_rate: Fraction, period: int, phase: int
) -> None:
    numbers = [(k + phase) * (period - 1) // period for k in range(60)]
    found = look(noisy([luma(number) for number in numbers], 1), rate)
    assert found.kind == "duplicated"
    assert list(found.numbers) == list(range(found.numbers[0], found.numbers[0] + len(found.numbers)))
    assert_times_are_even(found.analysis, film_rate)


def test_repeats_are_left_where_the_rate_is_no_film_brought_up() -> None:
    frames = [luma(k * 4 // 5) for k in range(60)]
    for rate in (Fraction(25), Fraction(24), Fraction(60)):
        assert look(frames, rate).kind == "progressive"


def test_pulldown_flags_are_seen_in_the_times_alone() -> None:
    lengths = [2 + k % 2 for k in range(40)]
    times = [sum(lengths[:k]) for k in range(40)]
    found = look([luma(k) for k in range(40)], times=times)
    assert found.kind == "telecined"
    assert found.numbers == tuple(range(40))
    assert_times_are_even(found.analysis, FILM)
    # Matroska rounds to milliseconds
    rounded = np.array([round(time * 1001 / 60) for time in times], np.int64)
    packets = PacketIndex(Fraction(1, 1000), rounded, np.ones(40, np.bool_), int(rounded[-1]) + 33)
    assert is_soft_telecine(packets)
    long = [2 + k % 2 for k in range(400)]
    long[::80] = [3] * 5
    drifting = np.cumsum([0, *long[:-1]])
    assert not is_soft_telecine(PacketIndex(Fraction(1001, 60000), drifting, np.ones(400, np.bool_), 1010))
    even = PacketIndex(Fraction(1, 1000), np.arange(40) * 33, np.ones(40, np.bool_), 40 * 33)
    assert not is_soft_telecine(even)


def test_what_is_asked_for_is_done() -> None:
    frames = [luma(number) for number in range(30)]
    assert look(interlaced(20), deinterlace="off").analysis.track.film.kind == "frames"
    assert look(frames, deinterlace="field").analysis.track.film.kind == "bob"
    one = look(interlaced(20), deinterlace="frame")
    assert one.analysis.track.film.kind == "deinterlaced"
    assert_times_are_even(one.analysis, NTSC)
    assert look(frames, deinterlace="film").analysis.track.rate == FILM


@pytest.mark.parametrize("late", ["top", "bottom"])
def test_pictures_cut_between_their_fields_are_put_together_again(late: str) -> None:
    film = [luma(number) for number in range(41)]
    frames = [weave(b, a) if late == "bottom" else weave(a, b) for a, b in pairwise(film)]
    found = look(frames, Fraction(25))
    assert found.analysis.track.film.kind == "woven"
    inner = found.numbers[1:-1]
    assert list(inner) == list(range(inner[0], inner[0] + 38))
    assert sum(found.analysis.track.film.combed) <= 1
    assert_times_are_even(found.analysis, Fraction(25))


def test_the_answer_is_the_same_every_time() -> None:
    frames = telecined([luma(number) for number in range(32)])
    assert look(frames).analysis == look(frames).analysis


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options"),
    [
        ("libx264", "yuv420p", {"flags": "+ilme+ildct", "crf": "18", "x264-params": "tff=1"}),
        ("mpeg2video", "yuv420p", {"flags": "+ilme+ildct", "b": "4M"}),
        ("ffv1", "yuv422p10le", {}),
    ],
)
def test_coded_clips_are_told_apart(
    tmp_path: Path, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    def of_moments(number: int, width: int, height: int) -> NDArray[np.uint8]:
        return weave(moving(2 * number, width, height), moving(2 * number + 1, width, height))

    def of_film(number: int, width: int, height: int) -> NDArray[np.uint8]:
        cycle, place = divmod(number, 5)
        top, bottom = ((0, 0), (0, 1), (1, 2), (2, 2), (3, 3))[place]
        pair = (drawn(4 * cycle + n, width, height) for n in (top, bottom))
        return weave(*pair)

    kinds = {"progressive": drawn, "interlaced": of_moments, "telecined": of_film}
    for kind, draw in kinds.items():
        path = tmp_path / f"{kind}.mkv"
        make_clip(
            path, frames=40, size=SIZE, rate=NTSC, codec=codec, pix_fmt=pix_fmt, draw=draw, options=options
        )
        analysis, numbers = analysed(path)
        assert analysis.found.kind == kind
        count = {"progressive": 40, "interlaced": 80, "telecined": 32}[kind]
        assert numbers == list(range(count))


def analysed(path: Path) -> tuple[Analysis, list[int]]:
    probed = probe(path, Limits())
    with FrameReader(path, probed.info.video, probed.packets, limits=Limits()) as reader:
        analysis = analyse(reader, probed.info, probed.packets, EnhanceSpec())
        film = analysis.track.film
        shown = film_pictures(reader, film, 0, film.count, probed.info.video)
        return analysis, list(numbers_of(shown, film))
