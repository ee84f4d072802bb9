"""What the user wants: the parameters of an enhancement."""

from fractions import Fraction
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from sakuga.media.info import Frozen, Rational
from sakuga.models.base import AUTO, Backend, ModelCard, ModelChoice, Precision
from sakuga.models.cards import DOWNLOADS, RIFE

Codec = Literal["h264", "hevc", "av1", "prores"]
Container = Literal["mp4", "mkv", "mov"]
Interpolation = Literal["nearest", "blend", "flow", "rife"]
Deinterlace = Literal["auto", "off", "frame", "field", "film"]
Hardware = Literal["off", "nvenc", "qsv", "amf", "vaapi", "videotoolbox"]

CONTAINERS_OF: dict[Codec, tuple[Container, ...]] = {
    "h264": ("mp4", "mkv", "mov"),
    "hevc": ("mp4", "mkv", "mov"),
    "av1": ("mp4", "mkv"),
    "prores": ("mov", "mkv"),
}
MAX_SCALE = 4


class EnhanceSpec(Frozen):
    """What the result is to be."""

    # title, docstring and fields are the form that Prefect's UI draws
    model_config = ConfigDict(title="Options of the result")

    model: str = Field(
        AUTO,
        title="Model",
        description=(
            "Upscaler by name (`sakuga models` lists them), or the path of a checkpoint; `auto` takes one of "
            "Sakuga's own, by what the video shows and how fast this machine is."
        ),
        json_schema_extra={"position": 0},
    )
    denoise: float | None = Field(
        None,
        ge=0,
        le=1,
        title="Denoise strength",
        description="For `realesr-general-x4v3`: 0 keeps grain, 1 removes the most; empty is 0.5.",
        json_schema_extra={"position": 1},
    )
    scale: Rational = Field(
        Fraction(2),
        title="Scale",
        description="Factor from 1 to 4, fractions too (`3/2`); not used when a height is given.",
        json_schema_extra={"position": 2},
    )
    height: int | None = Field(
        None,
        ge=16,
        le=8640,
        title="Height",
        description="Height of the result in pixels; the width follows from the display aspect.",
        json_schema_extra={"position": 3},
    )
    fps: Rational | None = Field(
        None,
        title="Frame rate",
        description="Frames per second, such as `24` or `30000/1001`; empty keeps the source's times.",
        json_schema_extra={"position": 4},
    )
    interpolation: Interpolation = Field(
        "flow",
        title="Interpolation",
        description=(
            "How frames between source frames are made when a frame rate is given; `rife` is a network."
        ),
        json_schema_extra={"position": 5},
    )
    deinterlace: Deinterlace = Field(
        "auto",
        title="Deinterlace",
        description=(
            "`auto` looks at the frames; `field` makes one frame of each field, `frame` one of each two, "
            "`film` brings telecined film back to 23.976."
        ),
        json_schema_extra={"position": 6},
    )
    codec: Codec = Field("h264", title="Codec", description="Video codec.", json_schema_extra={"position": 7})
    container: Container = Field(
        "mp4", title="Container", description="Kind of file.", json_schema_extra={"position": 8}
    )
    quality: int = Field(
        17,
        ge=0,
        le=51,
        title="Quality",
        description="Constant rate factor: lower is better and larger; 0 is lossless for H.264 and HEVC.",
        json_schema_extra={"position": 9},
    )
    preset: str = Field(
        "medium",
        pattern=r"^[a-z0-9]{1,16}$",
        title="Encoder speed",
        description="The encoder's speed: `ultrafast` to `veryslow`, or 0 to 13 for AV1.",
        json_schema_extra={"position": 10},
    )
    bit_depth: Literal["auto", "8", "10"] = Field(
        "auto",
        title="Bit depth",
        description="`auto` keeps 10 bits where the source has more than 8.",
        json_schema_extra={"position": 11},
    )
    hardware: Hardware = Field(
        "off",
        title="Hardware encoder",
        description="Used only when it is asked for and present.",
        json_schema_extra={"position": 12},
    )
    audio: Literal["keep", "aac", "none"] = Field(
        "keep",
        title="Audio",
        description="`keep` copies every track bit for bit where the container allows it, else makes AAC.",
        json_schema_extra={"position": 13},
    )
    tonemap: bool = Field(
        False,
        title="Tone map HDR",
        description="Turn PQ or HLG into SDR; without it such sources are refused.",
        json_schema_extra={"position": 14},
    )
    reuse: Literal["exact", "near", "off"] = Field(
        "exact",
        title="Reuse",
        description=(
            "`exact` computes equal frames, and equal parts of frames, once; the pixels are the same. `near` "
            "also takes what differs by compression noise only, within a measured bound."
        ),
        json_schema_extra={"position": 15},
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$",
        title="Device",
        description="Where the network runs: `cpu`, `cuda:0`, `mps`; `auto` takes the first GPU there is.",
        json_schema_extra={"position": 16},
    )
    precision: Precision = Field(
        "auto",
        title="Precision",
        description="Of the network's arithmetic; `auto` is the fastest within a measured bound of fp32.",
        json_schema_extra={"position": 17},
    )
    backend: Backend = Field(
        "auto",
        title="Back end",
        description="What runs the network; `auto` is the fastest here, by a short calibration.",
        json_schema_extra={"position": 18},
    )
    salvage: bool = Field(
        False,
        title="Salvage",
        description="Enhance what can be decoded of a damaged or truncated source.",
        json_schema_extra={"position": 19},
    )
    chunk_seconds: float = Field(
        10,
        ge=0.2,
        le=3600,
        title="Chunk length",
        description="Target length of a chunk in seconds; a chunk is what is retried and kept.",
        json_schema_extra={"position": 20},
    )
    frames: bool = Field(
        False,
        title="Export frames",
        description="Also write the result's frames as numbered PNG files.",
        json_schema_extra={"position": 21},
    )

    @field_validator("scale")
    @classmethod
    def _scale_in_bounds(cls, value: Fraction) -> Fraction:
        if not 1 <= value <= MAX_SCALE:
            raise ValueError(f"must be from 1 to {MAX_SCALE}")
        return value

    @field_validator("fps")
    @classmethod
    def _fps_positive(cls, value: Fraction | None) -> Fraction | None:
        if value is not None and not 1 <= value <= 480:
            raise ValueError("must be from 1 to 480 frames per second")
        return value

    @model_validator(mode="after")
    def _codec_fits_container(self) -> Self:
        if self.container not in CONTAINERS_OF[self.codec]:
            fits = ", ".join(CONTAINERS_OF[self.codec])
            raise ValueError(f"{self.codec} does not go into {self.container}; it goes into {fits}")
        return self

    def pixel_part(self) -> "dict[str, object]":
        """The options that change what is in an encoded chunk; part of its key.

        Precision and back end are in it as they were asked for: with `auto` a chunk that another machine made
        counts. The device is not: it changes no more than the order of sums.
        """
        names = {"model", "codec", "quality", "preset", "bit_depth", "hardware", "tonemap"}
        names |= {"interpolation", "precision", "backend"}
        part = self.model_dump(mode="json", include=names)
        # equal frames give equal pixels, whether they were computed or not
        return {**part, "near": self.reuse == "near"}

    def downloads(self) -> tuple[ModelCard, ...]:
        """Cards of what has weights to download: the model, and what interpolates."""
        wanted = {self.model}
        if self.fps is not None and self.interpolation == "rife":
            wanted.add(RIFE.name)
        return tuple(card for card in DOWNLOADS if card.name in wanted)

    def model_choice(self) -> ModelChoice:
        """Which model, and where and how it runs."""
        return ModelChoice(
            name=self.model,
            denoise=self.denoise,
            device=self.device,
            precision=self.precision,
            backend=self.backend,
        )
