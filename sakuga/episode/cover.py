"""The cover of an episode: one of its frames as a JPEG."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from sakuga.episode.form import Form
from sakuga.episode.timeline import Timeline, nearest_frame
from sakuga.errors import ContractError
from sakuga.media.chunks import OWN_LIMITS
from sakuga.media.decode import FrameReader
from sakuga.media.probe import probe
from sakuga.quality.colours import to_rgb
from sakuga.quality.previews import save_picture


def make_cover(
    segments: Sequence[Path], timeline: Timeline, form: Form, time: Fraction, output: Path
) -> Path:
    """Write the frame that is shown nearest to a time, the last one where the time is after the end.

    Args:
        segments: a file for each segment of the timeline, in order.
        timeline: when everything is shown.
        form: for the colours of the segments.
        time: seconds of the episode.
        output: a name that ends with `.jpg`; nothing is under it until the picture is whole.

    Raises:
        ContractError: the segments are not those of the timeline.
        DiskFullError: no room is left.
        EncodeError: it cannot be written.
    """
    frame = min(max(nearest_frame(time, timeline.rate), 0), timeline.frames - 1)
    number = next(n for n, segment in enumerate(timeline.segments) if frame < segment.last)
    place = frame - timeline.segments[number].first
    probed = probe(segments[number], OWN_LIMITS)
    if len(probed.packets) != timeline.segments[number].frames:
        raise ContractError(f"Segment {number} has {len(probed.packets)} frames, not those that are planned.")
    with FrameReader(segments[number], probed.info.video, probed.packets, limits=OWN_LIMITS) as reader:
        picture = next(reader.read(place, place + 1))
    return save_picture(to_rgb(picture, form.colour), output)
