"""What an episode is to be: scenes in order, what joins them, what is heard, and what comes out.

Times are seconds as exact fractions. An episode's time 0 is its first frame; a scene's time 0 is its first
frame in the episode, after `start` and `speed` were applied.
"""

import re
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from sakuga.enhance.spec import CONTAINERS_OF, Codec, Container, EnhanceSpec
from sakuga.media.info import Frozen, Rational

MAX_SCENES = 2000
MAX_TEXT = 2000
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
COLOUR = r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$"

_CLOCK = re.compile(r"^(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,9})?)$")


def _seconds(value: Any) -> Any:  # noqa: ANN401 - a pydantic validator takes anything
    """`1:02:03.5` and `2:03` as seconds; floats as they are written."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str) and (clock := _CLOCK.match(value.strip())):
        hours, minutes, seconds = clock.groups(default="0")
        return str(3600 * int(hours) + 60 * int(minutes) + Fraction(seconds))
    return value


Seconds = Annotated[Rational, BeforeValidator(_seconds)]
"""A time or a length in seconds, also as `m:ss` or `h:mm:ss`."""

Kind = Literal["cut", "crossfade", "fade-black", "fade-white", "wipe", "slide", "zoom"]
Direction = Literal["left", "right", "up", "down"]
Fit = Literal["fit", "fill", "stretch"]
Place = Literal["top", "center", "bottom", "lower-third"]
Layout = Literal["mono", "stereo", "5.1"]
OnMissing = Literal["fail", "skip", "placeholder"]
Mood = Annotated[str, Field(pattern=NAME)]


class Transition(Frozen):
    """How one scene becomes the next: for `seconds` both are there, so the episode is that much shorter."""

    model_config = ConfigDict(title="Transition")

    kind: Kind = Field("cut", title="Kind", description="What is seen; `cut` has no length.")
    seconds: Seconds = Field(
        Fraction(1, 2), title="Seconds", description="How long both scenes are there; not used by `cut`."
    )
    direction: Direction = Field("left", title="Direction", description="Where a wipe or slide moves to.")

    @field_validator("seconds")
    @classmethod
    def _positive(cls, value: Fraction) -> Fraction:
        if not 0 < value <= 60:
            raise ValueError("must be more than 0 and at most 60 seconds")
        return value


class TextStyle(Frozen):
    """How text looks."""

    font: str | None = Field(
        None, title="Font", description="File of a TrueType or OpenType font; empty is the built-in one."
    )
    size: float = Field(
        0.08, gt=0, le=0.5, title="Size", description="Height of a line as a part of the picture's height."
    )
    colour: str = Field("#ffffff", pattern=COLOUR, title="Colour", description="As `#rrggbb`.")
    outline: str | None = Field(
        "#000000", pattern=COLOUR, title="Outline", description="Colour around the letters; empty is none."
    )
    place: Place = Field("center", title="Place", description="Where in the picture.")


class Title(TextStyle):
    """Text over a scene."""

    model_config = ConfigDict(title="Title")

    text: str = Field(min_length=1, max_length=MAX_TEXT, title="Text", description="Lines of it.")
    at: Seconds = Field(Fraction(0), title="At", description="Time in the scene.")
    seconds: Seconds = Field(Fraction(3), title="Seconds", description="How long it is shown.")
    fade: Seconds = Field(Fraction(1, 2), title="Fade", description="Seconds to come and to go.")

    @model_validator(mode="after")
    def _times(self) -> Self:
        if self.at < 0 or self.seconds <= 0 or self.fade < 0:
            raise ValueError("times must not be negative, and a title must be shown for some time")
        if 2 * self.fade > self.seconds:
            raise ValueError("it cannot come and go in the time that it is shown: shorten `fade`")
        return self


class Credits(TextStyle):
    """Lines after the last scene, on black; they roll where they do not fit."""

    model_config = ConfigDict(title="Credits")

    lines: tuple[str, ...] = Field(min_length=1, max_length=1000, title="Lines", description="One each.")
    seconds: Seconds = Field(Fraction(8), title="Seconds", description="How long they are shown.")
    roll: bool = Field(False, title="Roll", description="Move up through the picture.")

    @field_validator("seconds")
    @classmethod
    def _positive(cls, value: Fraction) -> Fraction:
        if not 0 < value <= 600:
            raise ValueError("must be more than 0 and at most 600 seconds")
        return value


class Take(Frozen):
    """A clip that a scene had before."""

    clip: str = Field(title="Clip", description="The clip that was replaced.")
    notes: str = Field("", max_length=MAX_TEXT, title="Notes", description="Why.")


class Scene(Frozen):
    """One clip of the episode, or a part of it."""

    model_config = ConfigDict(title="Scene")

    clip: str = Field(
        min_length=1,
        max_length=4096,
        title="Clip",
        description="Path of a video, its key in the store, or its `s3://` address.",
    )
    id: str | None = Field(
        None, pattern=NAME, title="Name", description="To refer to it; empty is `scene-1`, `scene-2`, ..."
    )
    start: Seconds = Field(Fraction(0), title="Start", description="Where in the clip it begins.")
    end: Seconds | None = Field(None, title="End", description="Where in the clip it ends; empty is its end.")
    speed: Rational = Field(
        Fraction(1), title="Speed", description="2 is twice as fast; sound keeps its pitch."
    )
    fit: Fit = Field(
        "fit",
        title="Fit",
        description="How another shape is made to fit: `fit` adds bars, `fill` crops, `stretch` distorts.",
    )
    gain: float = Field(0.0, ge=-60, le=24, title="Gain", description="Decibels on its sound.")
    mute: bool = Field(False, title="Mute", description="Leave its sound out.")
    title: str | None = Field(
        None, max_length=200, title="Title", description="Of its chapter; empty: none begins here."
    )
    notes: str = Field("", max_length=MAX_TEXT, title="Notes", description="For people; nothing reads them.")
    transition: Transition | None = Field(
        None, title="Transition", description="Into the next scene; empty is the episode's."
    )
    titles: tuple[Title, ...] = Field((), title="Titles", description="Text over it.")
    subtitles: str | None = Field(
        None,
        title="Subtitles",
        description="File with them (SRT, ASS, WebVTT), in the clip's time; empty: those in the clip.",
    )
    marks: dict[str, Seconds] = Field(
        default_factory=dict, title="Marks", description="Times in the scene, by name, for effects."
    )
    takes: tuple[Take, ...] = Field((), title="Takes", description="Clips that it had before, newest last.")

    @field_validator("speed")
    @classmethod
    def _speed(cls, value: Fraction) -> Fraction:
        if not Fraction(1, 10) <= value <= 10:
            raise ValueError("must be from 1/10 to 10")
        return value

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.start < 0:
            raise ValueError("`start` must not be negative")
        if self.end is not None and self.end <= self.start:
            raise ValueError("`end` must be after `start`")
        if any(time < 0 for time in self.marks.values()):
            raise ValueError("`marks` must not be negative")
        return self


class Cue(Frozen):
    """Music under a part of the episode."""

    model_config = ConfigDict(title="Music")

    file: str | None = Field(None, title="File", description="The music; or a `mood` instead.")
    mood: Mood | None = Field(
        None, title="Mood", description="Takes music with this tag from the soundtrack's library."
    )
    start: Seconds = Field(Fraction(0), title="Start", description="Time in the episode.")
    end: Seconds | None = Field(None, title="End", description="Empty is the end of music or episode.")
    scene: str | None = Field(
        None, pattern=NAME, title="Scene", description="Count `start` and `end` from this scene's beginning."
    )
    offset: Seconds = Field(Fraction(0), title="Offset", description="Where in the music it begins.")
    loop: bool = Field(False, title="Loop", description="Begin again until `end`.")
    fade_in: Seconds = Field(Fraction(1), title="Fade in", description="Seconds.")
    fade_out: Seconds = Field(Fraction(2), title="Fade out", description="Seconds.")
    gain: float = Field(-8.0, ge=-60, le=24, title="Gain", description="Decibels below the scenes' loudness.")
    duck: float = Field(
        10.0,
        ge=0,
        le=60,
        title="Duck",
        description="Decibels that it goes down under speech; 0 is not at all.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.file is None) == (self.mood is None):
            raise ValueError("needs either a `file` or a `mood`")
        if min(self.start, self.offset, self.fade_in, self.fade_out) < 0:
            raise ValueError("times must not be negative")
        if self.end is not None and self.end <= self.start:
            raise ValueError("`end` must be after `start`")
        return self


class Effect(Frozen):
    """A sound at a time."""

    model_config = ConfigDict(title="Effect")

    file: str = Field(min_length=1, title="File", description="The sound.")
    at: Seconds = Field(
        Fraction(0), title="At", description="Time in the episode, or after the scene's mark."
    )
    scene: str | None = Field(None, pattern=NAME, title="Scene", description="Count `at` from its beginning.")
    mark: str | None = Field(
        None, pattern=NAME, title="Mark", description="Count `at` from the scene's mark."
    )
    gain: float = Field(0.0, ge=-60, le=24, title="Gain", description="Decibels.")

    @model_validator(mode="after")
    def _place(self) -> Self:
        if self.at < 0:
            raise ValueError("`at` must not be negative")
        if self.mark is not None and self.scene is None:
            raise ValueError("a `mark` needs its `scene`")
        return self


class Soundtrack(Frozen):
    """Music and effects."""

    model_config = ConfigDict(title="Soundtrack")

    music: tuple[Cue, ...] = Field((), title="Music", description="Cues; they may overlap.")
    effects: tuple[Effect, ...] = Field((), title="Effects", description="Sounds at a time.")
    library: str | None = Field(
        None, title="Library", description="Folder of music with a `moods.yaml`: file name to list of moods."
    )


class EpisodeOutput(Frozen):
    """What comes out."""

    model_config = ConfigDict(title="Output")

    width: int | None = Field(
        None,
        ge=16,
        le=8192,
        multiple_of=2,
        title="Width",
        description="Empty: the most frequent size of the clips.",
    )
    height: int | None = Field(
        None, ge=16, le=8192, multiple_of=2, title="Height", description="With `width`."
    )
    fps: Rational | None = Field(
        None,
        title="Frame rate",
        description="Such as `24` or `30000/1001`; empty: the most frequent of the clips.",
    )
    codec: Codec = Field("h264", title="Codec", description="Video codec.")
    container: Container = Field("mp4", title="Container", description="Kind of file.")
    quality: int = Field(
        17, ge=0, le=51, title="Quality", description="Constant rate factor: lower is better."
    )
    preset: str = Field(
        "medium", pattern=r"^[a-z0-9]{1,16}$", title="Encoder speed", description="As in `enhance`."
    )
    bit_depth: Literal["8", "10"] = Field("8", title="Bit depth", description="Of the picture.")
    loudness: float = Field(
        -14.0,
        ge=-40,
        le=-5,
        title="Loudness",
        description="Of the whole in LUFS: -14 streaming, -23 EBU R128.",
    )
    true_peak: float = Field(-1.0, ge=-9, le=0, title="True peak", description="At most, in dBTP.")
    layout: Layout = Field("stereo", title="Sound", description="Channels of the sound track.")
    chapters: bool = Field(True, title="Chapters", description="One for each scene with a title.")
    cover: Seconds | None = Field(None, title="Cover", description="Time of the frame that is its cover.")

    @field_validator("fps")
    @classmethod
    def _fps(cls, value: Fraction | None) -> Fraction | None:
        if value is not None and not 1 <= value <= 480:
            raise ValueError("must be from 1 to 480 frames per second")
        return value

    @field_validator("cover")
    @classmethod
    def _cover(cls, value: Fraction | None) -> Fraction | None:
        if value is not None and value < 0:
            raise ValueError("must not be negative")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("`width` and `height` go together")
        if self.container not in CONTAINERS_OF[self.codec]:
            fits = ", ".join(CONTAINERS_OF[self.codec])
            raise ValueError(f"{self.codec} does not go into {self.container}; it goes into {fits}")
        return self


class EpisodeSpec(Frozen):
    """An episode, as a file of it holds it and as the parameter of its flow."""

    model_config = ConfigDict(title="Episode")

    title: str = Field("Episode", min_length=1, max_length=200, title="Title", description="Of the whole.")
    scenes: tuple[Scene, ...] = Field(
        min_length=1, max_length=MAX_SCENES, title="Scenes", description="In order."
    )
    transition: Transition = Field(
        default_factory=Transition, title="Transition", description="Between scenes that name none."
    )
    credits: Credits | None = Field(None, title="Credits", description="After the last scene.")
    soundtrack: Soundtrack = Field(
        default_factory=Soundtrack, title="Soundtrack", description="Music and effects."
    )
    output: EpisodeOutput = Field(
        default_factory=EpisodeOutput, title="Output", description="What comes out."
    )
    on_missing: OnMissing = Field(
        "fail",
        title="Missing scenes",
        description="Clips that are missing or broken: `fail` before any work, `skip` or `placeholder`.",
    )
    enhance: EnhanceSpec | None = Field(
        None, title="Enhance", description="Send the clips through `enhance` with these options first."
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        if problems := self.problems():
            raise ValueError("; ".join(problems.values()))
        return self

    def problems(self) -> dict[tuple[str | int, ...], str]:
        """What refers to something that there is not, by the place in the file where it stands."""
        found: dict[tuple[str | int, ...], str] = {}
        marks: dict[str, dict[str, Fraction]] = {}
        for index, (name, scene) in enumerate(zip(self.names, self.scenes, strict=True)):
            if name in marks:
                found["scenes", index, "id"] = f"two scenes are called {name!r}"
            marks[name] = scene.marks
        for index, cue in enumerate(self.soundtrack.music):
            if cue.scene is not None and cue.scene not in marks:
                found["soundtrack", "music", index, "scene"] = f"there is no scene {cue.scene!r}"
            if cue.mood is not None and self.soundtrack.library is None:
                found["soundtrack", "music", index, "mood"] = "a mood needs the soundtrack's `library`"
        for index, effect in enumerate(self.soundtrack.effects):
            if effect.scene is not None and effect.scene not in marks:
                found["soundtrack", "effects", index, "scene"] = f"there is no scene {effect.scene!r}"
            elif effect.mark is not None and effect.mark not in marks[effect.scene or ""]:
                found["soundtrack", "effects", index, "mark"] = (
                    f"the scene {effect.scene!r} has no mark {effect.mark!r}"
                )
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes, in order."""
        return tuple(scene.id or f"scene-{number}" for number, scene in enumerate(self.scenes, 1))

    def transition_after(self, scene: int) -> Transition:
        """What joins a scene, counted from 0, to the next."""
        return self.scenes[scene].transition or self.transition
