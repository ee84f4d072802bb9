from fractions import Fraction
from typing import Any

import pytest

from sakuga.episode.form import Form, choose_form
from sakuga.episode.spec import EpisodeOutput, EpisodeSpec, Scene
from sakuga.errors import OptionError
from sakuga.media.info import Colour, MediaInfo
from tests.enhance.given import BT709, info, video

NTSC = Colour(matrix="smpte170m", primaries="smpte170m", transfer="smpte170m", full_range=False)


def clip(**changes: Any) -> MediaInfo:  # noqa: ANN401 - any field of a stream
    return info(video(**changes))


def chosen(*clips: MediaInfo, **output: Any) -> Form:  # noqa: ANN401 - any field of an output
    scenes = tuple(Scene(clip=f"{number}.mp4") for number in range(max(1, len(clips))))
    return choose_form(EpisodeSpec(scenes=scenes, output=EpisodeOutput(**output)), clips)


def test_the_most_frequent_size_and_rate_are_taken() -> None:
    form = chosen(
        clip(width=1280, height=720, frame_rate=Fraction(25)),
        clip(frame_rate=Fraction(24)),
        clip(frame_rate=Fraction(25)),
    )
    assert (form.size, form.rate) == ((640, 480), Fraction(25))


def test_of_equally_frequent_ones_the_larger_is_taken() -> None:
    form = chosen(clip(frame_rate=Fraction(30)), clip(width=1280, height=720))
    assert (form.size, form.rate) == ((1280, 720), Fraction(30))


def test_sizes_are_counted_upright_with_square_pixels_at_even_numbers() -> None:
    anamorphic = clip(width=720, height=576, sar=Fraction(16, 15))
    sideways = clip(width=576, height=768, rotation=90)
    odd = clip(width=853, height=479)
    assert chosen(anamorphic, sideways, odd, odd, anamorphic).size == (768, 576)
    assert chosen(odd).size == (854, 480)


def test_what_is_asked_for_wins() -> None:
    form = chosen(clip(), clip(), width=320, height=180, fps="30000/1001")
    assert (form.size, form.rate) == ((320, 180), Fraction(30000, 1001))


def test_a_variable_rate_counts_as_the_standard_rate_near_its_mean() -> None:
    assert chosen(clip(frame_rate=Fraction(2371, 100), constant_rate=False)).rate == Fraction(24000, 1001)


def test_the_colour_is_the_most_frequent_of_the_clips_that_have_its_size() -> None:
    high = clip(width=1280, height=720)
    assert chosen(clip(colour=NTSC), clip(colour=NTSC), clip()).colour.matrix == "smpte170m"
    assert chosen(clip(colour=NTSC), high, high).colour == BT709
    assert chosen(clip(colour=NTSC), width=1920, height=1080).colour == BT709


def test_a_clip_of_high_range_counts_as_what_it_is_tone_mapped_to() -> None:
    colour = Colour(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084", full_range=False)
    assert chosen(clip(hdr="pq", colour=colour)).colour == BT709


def test_pictures_have_the_chroma_that_every_player_shows() -> None:
    full = clip(pix_fmt="yuv444p")
    assert chosen(full).layout.pix_fmt == "yuv420p"
    assert chosen(full, bit_depth="10").layout.pix_fmt == "yuv420p10le"
    assert chosen(full, codec="prores", container="mov").layout.pix_fmt == "yuv422p10le"


def test_prores_is_of_limited_range() -> None:
    wide = clip(colour=BT709.model_copy(update={"full_range": True}))
    assert chosen(wide).colour.full_range
    assert not chosen(wide, codec="prores", container="mov").colour.full_range


def test_without_a_clip_size_and_rate_must_be_given() -> None:
    with pytest.raises(OptionError, match="give `width`, `height` and `fps`"):
        chosen()
    assert chosen(width=64, height=48, fps="24").size == (64, 48)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"preset": "warp"}, "The preset warp is not known"),
        ({"codec": "av1", "width": 62, "height": 62}, "av1 holds from 64"),
        ({"codec": "av1", "fps": "300"}, "AV1 ends at 240"),
        ({"fps": "24000000001/1000000000"}, "No container can hold"),
    ],
)
def test_what_the_encoder_would_refuse_is_refused_before_any_work(output: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        chosen(clip(), **output)
