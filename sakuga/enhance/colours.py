"""What the samples of film frames and of the result stand for."""

from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.codecs import output_colour
from sakuga.media.info import Colour, VideoStream
from sakuga.media.tonemap import sdr_colour
from sakuga.media.upright import upright_colour


def is_tonemapped(video: VideoStream, spec: EnhanceSpec) -> bool:
    """Whether film frames are tone-mapped: only where the source is HDR and it was asked for."""
    return spec.tonemap and video.hdr is not None


def film_colour(video: VideoStream, spec: EnhanceSpec) -> Colour:
    """Colour of film frames, after turning upright and tone mapping."""
    colour = upright_colour(video)
    return sdr_colour(colour) if is_tonemapped(video, spec) else colour


def result_colour(video: VideoStream, spec: EnhanceSpec) -> Colour:
    """Colour of the result, as it is encoded and tagged."""
    return output_colour(film_colour(video, spec), spec.codec)
