from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.episode.footage import Footage
from sakuga.episode.form import Form
from sakuga.episode.key import segment_key, sound_key
from sakuga.episode.spec import Credits, EpisodeSpec, Scene, Take, Title, Transition
from sakuga.episode.timeline import Segment, Span, lay_out, scene_frames
from sakuga.media.encode import EncodeSettings
from sakuga.media.info import AudioStream, Frozen
from sakuga.media.picture import Picture
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.clips import make_clip
from tests.enhance.given import info, video
from tests.episode.footages import form_of, shown

RATE = Fraction(24)
SOUND = AudioStream(
    index=1, codec="aac", sample_rate=48000, channels=2, layout="stereo", start=None, duration=None
)
FORM = form_of((64, 48))


def footage(digest: str = "one", clip: Any = None, **scene: Any) -> Footage:  # noqa: ANN401
    """Two seconds of a clip that need not be there."""
    wanted = Scene(clip="clip.mp4", **scene)
    stream = clip or video()
    media = info(stream).model_copy(update={"audio": (SOUND,)})
    frames = scene_frames(wanted, stream.duration, RATE)
    return Footage(path=Path("clip.mp4"), digest=digest, info=media, scene=wanted, frames=frames)


def plain(footage: Footage, first: int = 0, last: int = 48, form: Form = FORM, at: int = 0) -> str:
    """Key of a span of one scene, which is shown from frame `at`."""
    span = Span(scene=0, first=first, last=last)
    segment = Segment(kind="plain", first=at, last=at + last - first, spans=(span,))
    return segment_key(segment, [footage], EpisodeSpec(scenes=(footage.scene,)), form)


def joined(transition: Transition, one: Footage | None = None, other: Footage | None = None) -> str:
    """Key of the transition between two scenes."""
    both = [one or footage(), other or footage("two")]
    spec = EpisodeSpec(scenes=tuple(each.scene for each in both), transition=transition)
    line = lay_out(spec, [Fraction(2)] * 2, RATE)
    (segment,) = (segment for segment in line.segments if segment.kind == "transition")
    return segment_key(segment, both, spec, FORM)


def changed(value: Frozen, **fields: Any) -> Any:  # noqa: ANN401
    return value.model_copy(update=fields)


@pytest.mark.parametrize(
    "scene",
    [
        {"gain": -6.0},
        {"mute": True},
        {"title": "A chapter"},
        {"notes": "for people"},
        {"id": "opening"},
        {"marks": {"door": Fraction(1)}},
        {"takes": (Take(clip="old.mp4"),)},
        {"subtitles": "a.srt"},
        {"end": Fraction(9)},
        {"end": Fraction(2)},
        {"fit": "fill"},
        {"transition": Transition(kind="cut")},
    ],
    ids=lambda scene: next(iter(scene)),
)
def test_what_cannot_be_seen_is_no_part_of_a_key_of_pictures(scene: dict[str, Any]) -> None:
    assert plain(footage(**scene)) == plain(footage())


@pytest.mark.parametrize(
    "scene",
    [
        {"start": Fraction(1, 24)},
        {"speed": Fraction(1, 2)},
        {"titles": (Title(text="Words", fade=Fraction(0)),)},
        {"end": Fraction(3, 2)},
    ],
    ids=lambda scene: next(iter(scene)),
)
def test_what_can_be_seen_is_part_of_it(scene: dict[str, Any]) -> None:
    assert plain(footage(**scene)) != plain(footage())


def test_another_clip_has_another_key() -> None:
    assert plain(footage("two")) != plain(footage("one"))


def test_where_in_the_episode_a_segment_is_does_not_matter() -> None:
    assert plain(footage(), at=100) == plain(footage(), at=0)


def test_frames_are_told_by_where_in_the_clip_they_are() -> None:
    trimmed = footage(start=Fraction(1, 2))
    assert plain(trimmed, 0, 12) == plain(footage(), 12, 24)


def test_an_end_matters_only_where_it_cuts_off() -> None:
    assert plain(footage(end=Fraction(3, 2)), 0, 12) == plain(footage(), 0, 12)


def test_fit_matters_only_for_another_shape() -> None:
    wide = video(width=640, height=360)
    assert plain(footage(clip=wide, fit="fill")) != plain(footage(clip=wide))


@pytest.mark.parametrize(
    "form",
    [
        changed(FORM, width=96),
        changed(FORM, rate=Fraction(25)),
        changed(FORM, settings=changed(FORM.settings, quality=30)),
        changed(FORM, settings=EncodeSettings(codec="hevc")),
        changed(FORM, layout=changed(FORM.layout, depth=10)),
        changed(FORM, colour=changed(FORM.colour, full_range=True)),
    ],
)
def test_every_part_of_the_form_counts(form: Form) -> None:
    assert plain(footage(), form=form) != plain(footage())


def test_the_container_of_the_episode_does_not_count() -> None:
    assert plain(footage(), form=changed(FORM, settings=changed(FORM.settings, container="mkv"))) == plain(
        footage()
    )


def test_a_title_counts_in_its_own_frames_only() -> None:
    titled = footage(titles=(Title(text="Words", at=Fraction(1), seconds=Fraction(1, 2), fade=Fraction(0)),))
    assert plain(titled, 0, 24) == plain(footage(), 0, 24)
    assert plain(titled, 24, 36) != plain(footage(), 24, 36)
    assert plain(titled, 36, 48) == plain(footage(), 36, 48)


def test_a_title_is_told_by_where_in_the_segment_it_is() -> None:
    late = Title(text="Words", at=Fraction(1), seconds=Fraction(1, 2), fade=Fraction(0))
    trimmed = footage(start=Fraction(1, 2), titles=(changed(late, at=Fraction(1, 2)),))
    assert plain(trimmed, 12, 24) == plain(footage(titles=(late,)), 24, 36)


def test_the_same_font_elsewhere_is_the_same_font(tmp_path: Path) -> None:
    fonts = [tmp_path / name for name in ("a.ttf", "b.ttf", "c.ttf")]
    for path, data in zip(fonts, (b"font", b"font", b"other"), strict=True):
        path.write_bytes(data)
    keys = [plain(footage(titles=(Title(text="A", font=str(path)),))) for path in fonts]
    assert keys[0] == keys[1] != keys[2]


def test_a_transition_is_its_kind_and_its_frames() -> None:
    fade = Transition(kind="crossfade", seconds=Fraction(1, 2))
    assert joined(fade) == joined(changed(fade, direction="up"))
    assert joined(fade) != joined(changed(fade, kind="zoom"))
    assert joined(fade) != joined(changed(fade, seconds=Fraction(1, 4)))
    assert joined(fade) == joined(changed(fade, seconds=Fraction(1, 2) + Fraction(1, 1000)))
    wipe = changed(fade, kind="wipe")
    assert joined(wipe) != joined(changed(wipe, direction="up"))


def test_a_transition_is_made_again_when_either_scene_changes() -> None:
    fade = Transition(kind="crossfade")
    assert len({joined(fade), joined(fade, footage("x")), joined(fade, None, footage("x"))}) == 3
    assert joined(fade, footage(gain=3.0)) == joined(fade)


def test_credits_are_their_lines_and_their_look() -> None:
    def key(**fields: Any) -> str:  # noqa: ANN401
        credits = Credits(**({"lines": ("A", "B")} | fields))
        spec = EpisodeSpec(scenes=(footage().scene,), credits=credits)
        segment = lay_out(spec, [Fraction(2)], RATE).segments[-1]
        return segment_key(segment, [], spec, FORM)

    keys = [key(), key(lines=("A",)), key(roll=True), key(colour="#ff0000"), key(seconds=Fraction(2))]
    assert len(set(keys)) == len(keys)
    assert key() == key()


def test_a_placeholder_is_its_name() -> None:
    def key(clip: str, digest: str) -> str:
        one = footage(digest)
        return plain(changed(one, placeholder=True, scene=changed(one.scene, clip=clip)))

    assert key("a/clip.mp4", "x") == key("b/clip.mp4", "y")
    assert key("a.mp4", "x") != key("b.mp4", "x")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (footage(gain=-6.0), False),
        (footage("two"), False),
        (footage(start=Fraction(1, 24), end=Fraction(25, 24)), False),
        (footage(speed=Fraction(2)), False),
        (footage(mute=True), False),
        (footage(fit="fill"), True),
        (footage(titles=(Title(text="A"),)), True),
        (footage(end=Fraction(2)), True),
        (changed(footage(), frames=47), False),
    ],
)
def test_a_key_of_sound_changes_with_what_is_heard(other: Footage, same: bool) -> None:
    assert (sound_key(other, FORM, "stereo") == sound_key(footage(), FORM, "stereo")) == same


def test_sound_has_another_key_in_other_channels() -> None:
    assert sound_key(footage(), FORM, "5.1") != sound_key(footage(), FORM, "stereo")


def test_silence_is_only_as_long_as_it_is() -> None:
    muted = sound_key(footage(mute=True), FORM, "stereo")
    assert sound_key(footage("two", mute=True, gain=3.0), FORM, "stereo") == muted
    without = changed(footage(), info=changed(footage().info, audio=()))
    assert sound_key(without, FORM, "stereo") == muted


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, a little slower than the episode."""
    return make_clip(tmp_path_factory.mktemp("clips") / "a.mp4", frames=46, rate=Fraction(23), size=(64, 48))


def same(one: list[Picture], other: list[Picture]) -> bool:
    return len(one) == len(other) and all(a.same_as(b) for a, b in zip(one, other, strict=True))


spans = st.fixed_dictionaries(
    {
        "start": st.sampled_from([Fraction(0), Fraction(1, 24), Fraction(1, 2)]),
        "end": st.sampled_from([None, Fraction(1), Fraction(1) + Fraction(1, 50), Fraction(2)]),
        "speed": st.sampled_from([Fraction(1), Fraction(2)]),
        "fit": st.sampled_from(["fit", "fill", "stretch"]),
        "first": st.integers(0, 14),
        "count": st.integers(1, 3),
    }
)


@settings(max_examples=60)
@given(one=spans, other=spans, likely=st.booleans())
def test_equal_keys_mean_equal_pictures(
    clip: Path, one: dict[str, Any], other: dict[str, Any], likely: bool
) -> None:
    if likely:
        # the same moment of the clip by another way
        shift = Fraction(one["first"], 24) * one["speed"]
        other = {**one, "start": one["start"] + shift, "first": 0}
    found = []
    for fields in (one, other):
        scene = {name: fields[name] for name in ("start", "end", "speed", "fit")}
        if scene["end"] is not None and scene["end"] <= scene["start"]:
            return
        media = probe(clip, Limits()).info
        wanted = Scene(clip=str(clip), **scene)
        frames = scene_frames(wanted, media.video.duration, RATE)
        first = min(fields["first"], frames - 1)
        last = min(first + fields["count"], frames)
        footage = Footage(path=clip, digest="a", info=media, scene=wanted, frames=frames)
        found.append((plain(footage, first, last), shown(footage, FORM, first, last)))
    if found[0][0] == found[1][0]:
        assert same(found[0][1], found[1][1])
