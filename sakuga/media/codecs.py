"""Which encoder makes what: names, layouts, quality and colour, as encoder options."""

import math
import os
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import av
import numpy as np

from sakuga.errors import MissingToolError, OptionError
from sakuga.media.containers import Container
from sakuga.media.info import ChromaFormat, Colour, Frozen, PixelLayout
from sakuga.media.scheduling import fair_scheduling

Codec = Literal["h264", "hevc", "av1", "prores"]
Hardware = Literal["off", "nvenc", "qsv", "amf", "vaapi", "videotoolbox"]

SOFTWARE: Mapping[Codec, str] = {
    "h264": "libx264",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "prores": "prores_ks",
}
HARDWARE: tuple[Hardware, ...] = ("nvenc", "qsv", "amf", "vaapi", "videotoolbox")

_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
_SVT_PRESETS = dict(zip(_PRESETS, (12, 11, 10, 9, 8, 7, 6, 4, 2, 1), strict=True))
_SVT_MAX_PRESET = 13
_KEYFRAME_SECONDS = 10
_KEYFRAME_FRAMES = 250
# libavcodec's option names for transfers that libavutil names after a television system
_TRANSFER_OPTION = {"bt470m": "gamma22", "bt470bg": "gamma28"}
_TEST_SIZE = 256


class EncodeSettings(Frozen):
    """How frames are encoded.

    `quality` is a constant rate factor from 0 to 51; 0 is lossless for H.264 and HEVC. ProRes takes its
    quality from its profile: HQ for 4:2:2 and 4444 for 4:4:4.
    """

    codec: Codec = "h264"
    quality: int = 17
    preset: str = "medium"
    hardware: Hardware = "off"
    container: Container = "mp4"


def encoder_name(codec: Codec, hardware: Hardware = "off") -> str:
    """ffmpeg's name of the encoder."""
    return SOFTWARE[codec] if hardware == "off" else f"{codec}_{hardware}"


def encoders_here() -> dict[str, bool]:
    """Every encoder that could be asked for, and whether it really encodes on this machine."""
    names = [SOFTWARE[codec] for codec in SOFTWARE]
    names += [encoder_name(codec, hardware) for hardware in HARDWARE for codec in SOFTWARE]
    return {name: encoder_works(name) for name in names}


def encoder_works(name: str) -> bool:
    """Whether an encoder opens and takes a picture, which a hardware one may refuse though it is built in."""
    try:
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width = context.height = _TEST_SIZE
        context.pix_fmt = _test_format(name)
        context.time_base, context.framerate = Fraction(1, 24), Fraction(24)
        context.options = quiet_options(name)
        grey = np.full((_TEST_SIZE, _TEST_SIZE, 3), 128, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=context.pix_fmt)
        frame.pts = 0
        with fair_scheduling():
            context.open(strict=False)
        return bool([*context.encode(frame), *context.encode(None)])
    except (av.FFmpegError, ValueError, LookupError):
        return False


def _test_format(name: str) -> str:
    formats = [each.name for each in av.Codec(name, "w").video_formats or ()]
    wanted = encoder_format(name, PixelLayout(chroma="420", depth=8))
    return wanted if wanted in formats or not formats else formats[0]


def require_encoder(codec: Codec, hardware: Hardware) -> str:
    """The encoder's name, after proof that it works where it is not a software one.

    Raises:
        MissingToolError: the hardware encoder is not usable on this machine.
    """
    name = encoder_name(codec, hardware)
    if hardware != "off" and not encoder_works(name):
        raise MissingToolError(
            f"The hardware encoder {name} does not work on this machine; use another one or leave it off."
        )
    return name


def encoder_format(name: str, layout: PixelLayout) -> str:
    """The pixel format that an encoder takes for a layout: its own, or the same samples interleaved."""
    formats = {each.name for each in av.Codec(name, "w").video_formats or ()}
    if layout.pix_fmt in formats or layout.chroma != "420":
        return layout.pix_fmt
    semi_planar = "nv12" if layout.depth == 8 else "p010le"
    return semi_planar if semi_planar in formats else layout.pix_fmt


def choose_layout(
    source: PixelLayout,
    enlargement: Fraction,
    codec: Codec,
    hardware: Hardware = "off",
    bit_depth: Literal["auto", "8", "10"] = "auto",
) -> PixelLayout:
    """Layout of the encoder's pictures: no chroma plane smaller than the source's.

    Args:
        source: layout of the source.
        enlargement: factor from the source's size to the result's, of the side that grows less.
        codec: AV1 and hardware encoders only take 4:2:0, ProRes only 4:2:2 and 4:4:4 with 10 bits.
        hardware: the hardware encoder, or `off`.
        bit_depth: `auto` keeps 10 bits where the source has them.

    Raises:
        OptionError: 10 bits were asked of a hardware H.264 encoder, or 8 of ProRes.
    """
    if codec == "prores":
        if bit_depth == "8":
            raise OptionError("ProRes has 10 bits; choose another codec for 8.")
        return PixelLayout(chroma="444" if _chroma(source, enlargement) == "444" else "422", depth=10)
    eight_only = codec == "h264" and hardware != "off"
    if eight_only and bit_depth == "10":
        raise OptionError(f"H.264 by {hardware} has 8 bits; choose HEVC, or the software encoder, for 10.")
    wanted = source.depth if bit_depth == "auto" else int(bit_depth)
    return PixelLayout(
        chroma="420" if codec == "av1" or hardware != "off" else _chroma(source, enlargement),
        depth=10 if wanted == 10 and not eight_only else 8,
    )


def _chroma(source: PixelLayout, enlargement: Fraction) -> ChromaFormat:
    if source.chroma in ("gray", "420") or enlargement >= 2:
        return "420"
    return source.chroma


def output_colour(colour: Colour, codec: Codec) -> Colour:
    """How the result's samples stand for colours, which is how they must be handed to the writer.

    The same as the source's, except that ProRes is always of limited range: full-range samples have to be
    converted before they are written.
    """
    if codec == "prores" and colour.full_range:
        return colour.model_copy(update={"full_range": False})
    return colour


def keyframe_interval(rate: Fraction) -> int:
    """Most frames between keyframes: ten seconds, and never over 250, so that seeking stays quick."""
    return max(1, min(_KEYFRAME_FRAMES, math.ceil(rate * _KEYFRAME_SECONDS)))


def encoder_options(settings: EncodeSettings, layout: PixelLayout, colour: Colour) -> dict[str, str]:
    """Options of the encoder: quality, speed, closed groups of pictures, and colour tags.

    Raises:
        OptionError: the preset is not one of the encoder's.
    """
    name = encoder_name(settings.codec, settings.hardware)
    return {**quiet_options(name), **_quality(settings, layout), **_colour_options(layout, colour)}


def quiet_options(name: str) -> dict[str, str]:
    """Options that keep an encoder's own chatter off the terminal."""
    if name == "libsvtav1":
        # SVT-AV1 writes past every logger; this is its only switch.
        os.environ.setdefault("SVT_LOG", "1")
    return {"x265-params": "log-level=error"} if name == "libx265" else {}


def _quality(settings: EncodeSettings, layout: PixelLayout) -> dict[str, str]:
    quality = settings.quality
    if settings.hardware != "off":
        return _hardware_quality(settings.hardware, quality)
    match settings.codec:
        case "prores":
            return {"profile": "4444" if layout.chroma == "444" else "hq", "vendor": "apl0"}
        case "av1":
            return {"preset": str(_svt_preset(settings.preset)), "crf": str(max(1, quality))}
        case "h264":
            # A stitchable stream has the same headers in every chunk; constant QP 0 is lossless at any depth,
            # which CRF 0 is not with 10 bits.
            rate = {"qp": "0"} if quality == 0 else {"crf": str(quality)}
            return {"preset": _preset(settings.preset), "x264-params": "stitchable=1:open-gop=0", **rate}
        case "hevc":
            params = "log-level=error:open-gop=0:info=0:repeat-headers=0"
            rate = {"x265-params": f"{params}:lossless=1"} if quality == 0 else {"crf": str(quality)}
            return {"preset": _preset(settings.preset), "x265-params": params, **rate}


def _hardware_quality(hardware: Hardware, quality: int) -> dict[str, str]:
    match hardware:
        case "nvenc":
            return {"rc": "vbr", "cq": str(quality), "b:v": "0", "forced-idr": "1"}
        case "amf":
            return {"rc": "cqp", "qp_i": str(quality), "qp_p": str(quality), "qp_b": str(quality)}
        case "vaapi":
            return {"rc_mode": "CQP", "qp": str(quality)}
        case "videotoolbox":
            return {"q:v": str(100 - 2 * quality if quality < 50 else 1)}
        case _:
            return {"global_quality": str(max(1, quality))}


def _preset(preset: str) -> str:
    if preset not in _PRESETS:
        raise OptionError(f"The preset {preset} is not known; use one of {', '.join(_PRESETS)}.")
    return preset


def _svt_preset(preset: str) -> int:
    if preset in _SVT_PRESETS:
        return _SVT_PRESETS[preset]
    if preset.isdecimal() and int(preset) <= _SVT_MAX_PRESET:
        return int(preset)
    raise OptionError(f"The preset {preset} is not known for AV1; use 0 to 13, or {', '.join(_PRESETS)}.")


def _colour_options(layout: PixelLayout, colour: Colour) -> dict[str, str]:
    siting = colour.siting if layout.chroma == "420" else "left"
    return {
        "colorspace": _tag(colour.matrix),
        "color_primaries": _tag(colour.primaries),
        "color_trc": _tag(_TRANSFER_OPTION.get(colour.transfer, colour.transfer)),
        "color_range": "pc" if colour.full_range else "tv",
        "chroma_sample_location": siting if layout.chroma != "444" else "unknown",
    }


def _tag(name: str) -> str:
    return "unknown" if name in ("unspecified", "reserved", "") else name
