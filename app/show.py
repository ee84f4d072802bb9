"""What a probe found, as lines for people."""

from collections.abc import Iterator

from sakuga.media.info import MediaInfo
from sakuga.media.probe import Probed
from sakuga.quality.words import container_text


def probe_lines(probed: Probed, name: str) -> list[str]:
    """A few lines for each stream of the file of this name."""
    info = probed.info
    lines = [
        f"container  {container_text(info.container, name)}, {info.size} bytes, {float(info.duration):.3f} s",
        *_video(info),
        *(
            f"audio      #{a.index} {a.codec}, {a.sample_rate} Hz, {a.layout}{_named(a.language, a.title)}"
            for a in info.audio
        ),
        *(f"subtitle   #{s.index} {s.codec} ({s.kind}){_named(s.language, s.title)}" for s in info.subtitles),
        *(f"{o.kind:<10} #{o.index} {o.codec or ''} {o.name or ''}".rstrip() for o in info.others),
    ]
    if info.chapters:
        lines.append(f"chapters   {len(info.chapters)}")
    if probed.truncated:
        lines.append(f"damage     {probed.truncated}")
    return [_plain(line) for line in lines]


def _video(info: MediaInfo) -> Iterator[str]:
    video = info.video
    kind = "constant" if video.constant_rate else "variable, mean"
    yield f"video      #{video.index} {video.codec}, {video.width}x{video.height}, {video.pix_fmt}"
    yield f"rate       {video.frame_rate} ({float(video.frame_rate):.3f} fps, {kind}), {video.frames} frames"
    colour = video.colour
    tagged = "" if colour.tagged else " (untagged, taken by size)"
    full = "full" if colour.full_range else "limited"
    yield f"colour     {colour.matrix}/{colour.primaries}/{colour.transfer}, {full} range{tagged}"
    more = [
        f"pixels {video.sar.numerator}:{video.sar.denominator}" if video.sar != 1 else "",
        f"turned {video.rotation} degrees" if video.rotation else "",
        "mirrored" if video.flipped else "",
        f"fields {video.field_order}" if video.field_order not in ("progressive", "unknown") else "",
        f"HDR {video.hdr}" if video.hdr else "",
        "alpha" if video.alpha else "",
    ]
    if any(more):
        yield f"shape      {', '.join(part for part in more if part)}"


def _named(language: str | None, title: str | None) -> str:
    parts = [part for part in (language, title) if part]
    return f" [{', '.join(parts)}]" if parts else ""


def _plain(line: str) -> str:
    """Text from a file must not steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)
