"""Checks of what was seen in an episode: frames beside cuts, black, and standstill."""

from collections.abc import Sequence

from sakuga.episode.seams import SegmentLook
from sakuga.episode.timeline import Timeline
from sakuga.quality.check import Check
from sakuga.quality.pictures import ranges_text


def check_looks(timeline: Timeline, looks: Sequence[SegmentLook]) -> tuple[Check, ...]:
    """What was seen of all segments, in order, held against what was planned."""
    black = [
        segment.first + frame
        for segment, seen in zip(timeline.segments, looks, strict=True)
        for frame in seen.black
    ]
    frozen = [
        (segment.first + first, segment.first + last)
        for segment, seen in zip(timeline.segments, looks, strict=True)
        for first, last in seen.frozen
    ]
    still = [frame for first, last in frozen for frame in range(first, last)]
    looked = sum(seen.frames for seen in looks)
    return (
        _seams(timeline, looks),
        _frames("Black frames not asked for", black, looked, timeline),
        _frames("Frozen frames not asked for", still, looked, timeline),
    )


def _frames(name: str, bad: list[int], looked: int, timeline: Timeline) -> Check:
    where = f"frames {ranges_text(bad)}, from {_place(timeline, bad[0])} on" if bad else ""
    return Check(
        name=name,
        value=f"{len(bad)} of {looked}",
        bound="0",
        passed=not bad and looked == timeline.frames,
        detail=where or ("" if looked == timeline.frames else f"{timeline.frames - looked} were not there"),
    )


def _seams(timeline: Timeline, looks: Sequence[SegmentLook]) -> Check:
    """The frames on both sides of every cut are the planned ones."""
    wrong: list[str] = []
    due, least = 0, None
    for segment, seen in zip(timeline.segments, looks, strict=True):
        found = {seam.frame: seam for seam in seen.seams}
        for frame in sorted({0, segment.frames - 1}):
            due += 1
            where = f"frame {segment.first + frame} ({_place(timeline, segment.first + frame)})"
            seam = found.get(frame)
            if seam is None:
                wrong.append(f"{where} is not there")
            elif not seam.right:
                wrong.append(f"{where} {_fault(seam.psnr, seam.bound, seam.nearer)}")
            elif least is None or seam.psnr - seam.bound < least[0]:
                least = seam.psnr - seam.bound, f"{where}: {seam.psnr:.1f} dB, at least {seam.bound:.1f}"
    detail = "; ".join(wrong[:3]) + ("; ..." if len(wrong) > 3 else "")
    return Check(
        name="Frames beside cuts",
        value=f"{due - len(wrong)} of {due} as planned",
        bound=f"= {due}",
        passed=not wrong,
        detail=detail or (f"nearest to its bound is {least[1]}" if least else ""),
    )


def _fault(psnr: float, bound: float, nearer: int) -> str:
    if nearer:
        count = "1 frame" if abs(nearer) == 1 else f"{abs(nearer)} frames"
        return f"shows what is due {count} {'later' if nearer > 0 else 'earlier'}"
    return f"agrees with the plan to {psnr:.1f} dB only, at least {bound:.1f} are due"


def _place(timeline: Timeline, frame: int) -> str:
    """Which scene a frame is in, as a person finds it: `scene-2 at 1.250 s`, `credits`."""
    names = [placed.name for placed in timeline.scenes if 0 <= frame - placed.first < placed.frames]
    time = f"{float(timeline.time(frame)):.3f} s"
    return f"{' to '.join(names) or 'credits'}, {time}"
