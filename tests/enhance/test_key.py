from fractions import Fraction
from typing import Any

import pytest

from sakuga.enhance.key import chunk_key
from sakuga.enhance.plan import Chunk, Geometry, Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.film import Film
from sakuga.media.info import AudioStream, MediaInfo, PixelLayout
from tests.enhance.given import BT709, info, video

SHA = "ab" * 32
SPEC = EnhanceSpec()
CHUNK = Chunk(index=1, first=24, end=48, film_first=24, film_end=48)


def plan(**changes: Any) -> Plan:  # noqa: ANN401 - any field of a plan
    """48 frames at 24 fps in two chunks of a second."""
    fields: dict[str, Any] = {
        "time_base": Fraction(1, 24),
        "times": tuple(range(48)),
        "end": 48,
        "left": tuple(range(48)),
        "weight": (0,) * 48,
        "frame_rate": Fraction(24),
        "film": Film(kind="frames", count=48),
        "geometry": Geometry(stored=(640, 480), upright=(640, 480), output=(1280, 960)),
        "layout": PixelLayout(chroma="420", depth=8),
        "chunks": (Chunk(index=0, first=0, end=24, film_first=0, film_end=24), CHUNK),
    }
    return Plan(**(fields | changes))


def key(
    spec: EnhanceSpec = SPEC,
    chunk: Chunk = CHUNK,
    source: str = SHA,
    holds: MediaInfo | None = None,
    **changes: Any,  # noqa: ANN401 - any field of a plan
) -> str:
    return chunk_key(source, holds or info(video()), plan(**changes), chunk, spec)


KEY = key()


def of(**options: Any) -> EnhanceSpec:  # noqa: ANN401 - any option
    return SPEC.model_copy(update=options)


def test_a_key_is_a_sha256_in_hexadecimal() -> None:
    assert len(KEY) == 64
    assert int(KEY, 16) >= 0
    assert key() == KEY


@pytest.mark.parametrize(
    "options",
    [
        {"audio": "none"},
        {"container": "mkv"},
        {"reuse": "off"},
        {"frames": True},
        {"chunk_seconds": 3.0},
        {"interpolation": "blend"},
        {"fps": Fraction(24)},
        {"tonemap": True},
        {"bit_depth": "8"},
        {"scale": Fraction(3)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_option_that_changes_no_pixel_of_this_chunk_changes_no_key(options: dict[str, Any]) -> None:
    assert key(of(**options)) == KEY


@pytest.mark.parametrize(
    "options",
    [
        {"model": "acnet-hdn1"},
        {"model": "lanczos"},
        {"codec": "hevc"},
        {"quality": 18},
        {"preset": "fast"},
        {"hardware": "nvenc"},
        {"salvage": True},
    ],
    ids=str,
)
def test_an_option_that_changes_pixels_or_coding_changes_the_key(options: dict[str, Any]) -> None:
    assert key(of(**options)) != KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"time_base": Fraction(1, 25)},
        {"times": (*range(47), 48), "end": 49},
        {"left": (*range(47), 46)},
        {"frame_rate": Fraction(25)},
        {"film": Film(kind="deinterlaced", count=48)},
        {"film": Film(kind="bob", count=48)},
        {"film": Film(kind="deinterlaced", count=48, top_field_first=False)},
        {"film": Film(kind="frames", count=48, top=tuple(range(1, 49)))},
        {"film": Film(kind="woven", count=48, top=tuple(range(48)), bottom=tuple(range(1, 49)))},
        {"geometry": Geometry(stored=(640, 480), upright=(640, 480), output=(1920, 1440))},
        {"layout": PixelLayout(chroma="420", depth=10)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_plan_that_differs_within_the_chunk_has_another_key(changes: dict[str, Any]) -> None:
    assert key(**changes) != KEY


def test_fields_woven_otherwise_are_another_key() -> None:
    def woven(**changes: Any) -> str:  # noqa: ANN401 - any field of a film
        fields = {"kind": "woven", "count": 48, "top": tuple(range(48)), "bottom": tuple(range(48))}
        return key(film=Film(**(fields | {"combed": (False,) * 48} | changes)))

    later = (*range(30), 31, *range(31, 48))
    combed = (*(False,) * 40, True, *(False,) * 7)
    assert len({woven(), woven(bottom=later), woven(top=later), woven(combed=combed)}) == 4


def test_what_differs_outside_the_chunk_does_not_matter() -> None:
    assert key(weight=(0, 77, *(0,) * 46)) == KEY
    assert key(left=(0, 0, *range(2, 48))) == KEY
    longer: dict[str, Any] = {
        "times": tuple(range(60)),
        "left": tuple(range(60)),
        "weight": (0,) * 60,
        "end": 60,
    }
    assert key(film=Film(kind="frames", count=60), **longer) == KEY


def test_the_place_of_a_chunk_in_the_result_does_not_matter() -> None:
    assert key(times=tuple(range(100, 148)), end=148) == KEY
    assert key(chunk=CHUNK.model_copy(update={"index": 9})) == KEY


def test_other_frames_of_the_source_are_another_key() -> None:
    assert key(chunk=Chunk(index=0, first=0, end=24, film_first=0, film_end=24)) != KEY
    assert key(chunk=CHUNK.model_copy(update={"end": 47, "film_end": 47})) != KEY
    assert key(source="cd" * 32) != KEY


def test_mixes_depend_on_their_weights_and_method() -> None:
    weights = (*(0,) * 30, 500, *(0,) * 17)
    mixed = key(weight=weights)
    assert mixed != KEY
    assert key(of(interpolation="blend"), weight=weights) != mixed
    assert key(weight=(*(0,) * 30, 501, *(0,) * 17)) != mixed


@pytest.mark.parametrize(
    "changes",
    [
        {"index": 1},
        {"rotation": 180},
        {"flipped": True},
        {"layout": PixelLayout(chroma="422", depth=8)},
        {"colour": BT709.model_copy(update={"full_range": True})},
        {"colour": BT709.model_copy(update={"matrix": "smpte170m"})},
        {"colour": BT709.model_copy(update={"siting": "center"})},
    ],
    ids=str,
)
def test_a_stream_that_is_read_in_another_way_is_another_key(changes: dict[str, Any]) -> None:
    assert key(holds=info(video(**changes))) != KEY


def test_tone_mapping_matters_where_the_source_is_hdr() -> None:
    hdr = info(video(hdr="pq", colour=BT709.model_copy(update={"transfer": "smpte2084"})))
    assert key(of(tonemap=True), holds=hdr) != key(holds=hdr)


def test_sound_and_titles_of_the_source_do_not_matter() -> None:
    sound = AudioStream(
        index=1, codec="aac", sample_rate=48000, channels=2, layout="stereo", start=None, duration=None
    )
    other = info(video(title="Another")).model_copy(update={"audio": (sound,), "metadata": {"title": "x"}})
    assert key(holds=other) == KEY


def test_a_deinterlaced_chunk_depends_on_the_context_it_reads() -> None:
    whole = Film(kind="deinterlaced", count=60)
    longer: dict[str, Any] = {
        "times": tuple(range(60)),
        "left": tuple(range(60)),
        "weight": (0,) * 60,
        "end": 60,
    }
    assert key(film=whole, **longer) != key(film=Film(kind="deinterlaced", count=48))


def test_a_bobbed_chunk_depends_on_the_field_it_begins_with() -> None:
    film = Film(kind="bob", count=48)
    odd = CHUNK.model_copy(update={"film_first": 23})
    assert key(film=film, chunk=odd) != key(film=film)


GENERAL = of(model="realesr-general-x4v3")


@pytest.mark.parametrize("options", [{"device": "cuda:1"}, {"denoise": 0.5}], ids=str)
def test_where_a_network_runs_and_its_own_default_change_no_key(options: dict[str, Any]) -> None:
    assert key(GENERAL.model_copy(update=options)) == key(GENERAL)


@pytest.mark.parametrize(
    "options",
    [
        {"denoise": 0.4},
        {"model": "realesr-animevideov3", "denoise": None},
        {"precision": "fp32"},
        {"backend": "torch"},
        {"reuse": "near"},
    ],
    ids=str,
)
def test_what_a_network_computes_with_changes_the_key(options: dict[str, Any]) -> None:
    assert key(GENERAL.model_copy(update=options)) != key(GENERAL)


def test_frames_between_others_are_keyed_by_the_weights_that_make_them() -> None:
    mixed: dict[str, Any] = {"weight": (0, 32768) * 24}
    assert key(of(interpolation="rife"), **mixed) != key(of(interpolation="flow"), **mixed)
    assert key(of(interpolation="rife")) == key(of(interpolation="flow"))
