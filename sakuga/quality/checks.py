"""Did it come out right: every check of a finished job."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from sakuga.enhance.colours import film_colour, result_colour
from sakuga.enhance.plan import Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import ContractError, SakugaError
from sakuga.media.decode import FrameReader
from sakuga.media.film import film_pictures
from sakuga.media.info import MediaInfo
from sakuga.media.notes import Assembly
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture
from sakuga.media.probe import Probed, probe
from sakuga.quality.check import Check
from sakuga.quality.container import check_format, check_frames, check_sound, check_streams
from sakuga.quality.pictures import check_pictures
from sakuga.quality.sample import (
    RESULT_LIMITS,
    ReadFrames,
    Sample,
    Watch,
    Window,
    choose_samples,
    choose_windows,
    look,
)
from sakuga.settings import Limits


def check_result(
    source: Path,
    result: Path,
    info: MediaInfo,
    packets: PacketIndex,
    plan: Plan,
    spec: EnhanceSpec,
    assembly: Assembly,
    limits: Limits,
    *,
    watch: Watch | None = None,
) -> tuple[Check, ...]:
    """Check a result against its source, its plan and what the assembly promised.

    Packets of the whole result are read; of its pictures all are looked at up to `sample.WHOLE` frames, else
    windows spread over the film.

    Args:
        source: the source.
        result: the finished file.
        info: what the source holds.
        packets: the source's frames.
        plan: the job's plan.
        spec: what was asked.
        assembly: what the assembly says it put into the result.
        limits: limits for the source.
        watch: called for every frame that was looked at.

    Returns:
        All checks, in a fixed order; a result that cannot be read gives one failed check.

    Raises:
        SakugaError: the source cannot be read any more.
    """
    try:
        made = probe(result, RESULT_LIMITS)
    except SakugaError as error:
        return (_unreadable(error),)
    checks = (
        *check_frames(plan, made.packets),
        *check_sound(plan, info, packets, assembly, made.info, made.packets),
        *check_streams(info, assembly, made.info, spec.container),
        *check_format(plan.geometry.output, plan.layout, result_colour(info.video, spec), made.info),
    )
    with ExitStack() as stack:
        film = stack.enter_context(
            FrameReader(source, info.video, packets, limits=limits, salvage=spec.salvage)
        )
        own = stack.enter_context(FrameReader(result, made.info.video, made.packets, limits=RESULT_LIMITS))
        full = film_colour(info.video, spec).full_range, made.info.video.colour.full_range
        read_film = partial(_read_film, film, plan, info, spec)
        try:
            pictures = _pictures(plan, spec, made, read_film, partial(_read_result, own), full, watch)
        except ContractError as error:
            return (*checks, _unreadable(error))
    return (*checks, *pictures)


def _read_film(
    reader: FrameReader, plan: Plan, info: MediaInfo, spec: EnhanceSpec, first: int, end: int
) -> Iterator[Picture]:
    tonemap = spec.tonemap and info.video.hdr is not None
    return film_pictures(reader, plan.film, first, end, info.video, tonemap=tonemap)


def _read_result(reader: FrameReader, first: int, end: int) -> Iterator[Picture]:
    try:
        yield from reader.read(first, end)
    except SakugaError as error:
        raise ContractError(str(error)) from error


def _pictures(
    plan: Plan,
    spec: EnhanceSpec,
    made: Probed,
    read_film: ReadFrames,
    read_result: ReadFrames,
    full_range: tuple[bool, bool],
    watch: Watch | None,
) -> tuple[Check, ...]:
    ranges = choose_windows(plan, made.packets.keyframe)
    chosen = choose_samples(plan, ranges, mixed=spec.interpolation == "blend")
    windows: list[Window] = []
    samples: list[Sample] = []
    for span in ranges:
        window, compared = look(
            plan,
            span,
            chosen,
            read_film,
            read_result,
            film_full_range=full_range[0],
            result_full_range=full_range[1],
            watch=watch,
        )
        windows.append(window)
        samples += compared
    return check_pictures(plan, spec, windows, samples)


def _unreadable(error: SakugaError) -> Check:
    return Check(name="Result decodes", value="no", bound="yes", passed=False, detail=str(error))
