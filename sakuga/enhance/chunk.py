"""The hot path: decode, upscale, interpolate and encode one chunk, all at the same time.

    decoding thread -> queue -> upscaling threads -> queue -> interpolation and encoding in the caller's

The decoder and the encoder start threads of their own and leave Python's lock while they work, and so do the
processes that the networks run in.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from time import perf_counter

from sakuga.enhance.ahead import RunAhead
from sakuga.enhance.colours import film_colour, is_tonemapped, result_colour
from sakuga.enhance.interpolate import FilmFrame, Mixer
from sakuga.enhance.plan import Chunk, Plan
from sakuga.enhance.reuse import Reuse
from sakuga.enhance.spec import EnhanceSpec
from sakuga.enhance.tally import Counts, Tally
from sakuga.enhance.upscaling import Upscaling
from sakuga.errors import CancelledError, ContractError, DeviceError
from sakuga.media.decode import FrameReader
from sakuga.media.encode import ChunkWriter, EncodeSettings
from sakuga.media.film import film_pictures
from sakuga.media.info import MediaInfo
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture
from sakuga.models.base import EngineUse, Upscaler
from sakuga.models.between import MotionFinder, open_rife
from sakuga.models.registry import give_up, load_upscaler
from sakuga.settings import Settings

QUEUED = 3
"""Pictures that wait between two stages: enough to even out slow frames."""


class ChunkResult(Counts):
    """What making a chunk took.

    `frames` were written; `concealed` decoded frames were damaged and replaced; `seconds` is the time each
    stage was busy; `use` is what ran the model.
    """

    frames: int
    concealed: int
    seconds: dict[str, float]
    use: EngineUse | None = None


@dataclass(frozen=True)
class _Job:
    source: Path
    info: MediaInfo
    packets: PacketIndex
    plan: Plan
    chunk: Chunk
    spec: EnhanceSpec
    settings: Settings
    tally: Tally
    finder: MotionFinder | None
    upscaler: Upscaler


def enhance_chunk(
    source: Path,
    info: MediaInfo,
    packets: PacketIndex,
    plan: Plan,
    chunk: Chunk,
    spec: EnhanceSpec,
    output: Path,
    *,
    settings: Settings,
    on_frame: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    finder: MotionFinder | None = None,
    upscaler: Upscaler | None = None,
) -> ChunkResult:
    """Make one chunk of the result and leave it, verified, at `output`; or leave nothing.

    Args:
        source: the source file.
        info: what it holds.
        packets: its decoded frames.
        plan: the whole result.
        chunk: which part to make.
        spec: what the user wants.
        output: file to write; its folder exists.
        settings: of this machine.
        on_frame: called after every frame with the number that are done; it begins again where an audit
            found parts of pictures wrong.
        cancelled: asked at every frame; True stops the work.
        finder: what finds motion for `rife`; None is RIFE 4.25, whose weights the chunk's key names.
        upscaler: what upscales; None is the model of `spec`, which the chunk's key names.

    Raises:
        CancelledError: `cancelled` said so.
        DamagedMediaError: a source frame does not decode.
        EncodeError: the encoder failed.
        DeviceError: what runs the model failed; another attempt takes another device where that is allowed.
        ContractError: frames were lost on the way.
    """
    # one for the whole chunk, whatever happens to the file of weights meanwhile
    model = upscaler or load_upscaler(spec.model_choice(), plan.geometry.upright)
    job = _Job(source, info, packets, plan, chunk, spec, settings, Tally(), finder, model)

    def check_cancelled() -> None:
        if cancelled is not None and cancelled():
            raise CancelledError(f"Chunk {chunk.index} was cancelled.")

    try:
        return _made(job, output, on_frame, check_cancelled)
    except ContractError:
        if not job.tally.regions_off:
            raise
    except DeviceError:
        # another attempt must not meet the same broken device
        if upscaler is None:
            give_up(model.use.device)
        raise
    # frames with wrong parts may be in what was written: the chunk is made again, of whole ones
    again = replace(job, tally=Tally(regions_off=job.tally.regions_off))
    return _made(again, output, on_frame, check_cancelled)


def _made(
    job: _Job, output: Path, on_frame: Callable[[int], None] | None, check_cancelled: Callable[[], None]
) -> ChunkResult:
    with (
        _upscaling(job) as reuse,
        _stages(job, reuse, check_cancelled) as film,
        _writer(job, output) as writer,
    ):
        for done, (time, picture) in enumerate(_mixed(job, film), 1):
            check_cancelled()
            with job.tally.busy("encode"):
                writer.write(picture, time)
            if on_frame:
                on_frame(done)
        _prove(job, writer.frames)
        closing = perf_counter()
    job.tally.seconds["encode"] += perf_counter() - closing
    counts = reuse.counts.model_dump()
    return ChunkResult(
        frames=writer.frames,
        concealed=job.tally.concealed,
        seconds=job.tally.seconds,
        use=job.upscaler.use,
        **(counts | {"regions_off": job.tally.regions_off}),
    )


@contextmanager
def _upscaling(job: _Job) -> Iterator[Reuse]:
    """Threads that upscale, as many pictures at a time as the upscaler likes."""
    video, tally, upscaler = job.info.video, job.tally, job.upscaler
    upscaling = Upscaling(
        upscaler,
        job.plan.geometry.output,
        job.plan.layout,
        film_colour(video, job.spec),
        result_colour(video, job.spec),
        lambda: tally.busy("upscale"),
    )
    with ThreadPoolExecutor(upscaler.parallel) as pool:
        reuse = Reuse(upscaling, pool, job.spec.reuse, regions=not tally.regions_off)
        try:
            yield reuse
        finally:
            tally.regions_off = tally.regions_off or reuse.counts.regions_off
            pool.shutdown(cancel_futures=True)


@contextmanager
def _stages(job: _Job, reuse: Reuse, poll: Callable[[], None]) -> Iterator[Iterator[FilmFrame]]:
    decoded = RunAhead(_decoded(job), QUEUED)
    ahead = job.upscaler.parallel
    upscaled = RunAhead(_upscaled(decoded, reuse, ahead), QUEUED, poll)
    # the decoder's thread is stopped first: the other one may be waiting for it
    with upscaled, decoded:
        yield upscaled


def _decoded(job: _Job) -> Generator[tuple[int, Picture], None, None]:
    """Film frames that the chunk needs, with their numbers."""
    chunk, video = job.chunk, job.info.video
    needed = needed_film(job.plan, chunk)
    with FrameReader(
        job.source, video, job.packets, limits=job.settings.limits, salvage=job.spec.salvage
    ) as reader:
        pictures = film_pictures(
            reader,
            job.plan.film,
            chunk.film_first,
            chunk.film_end,
            video,
            tonemap=is_tonemapped(video, job.spec),
        )
        number = chunk.film_first
        while True:
            with job.tally.busy("decode"):
                picture = next(pictures, None)
            if picture is None:
                break
            if number in needed:
                yield number, picture
            number += 1
        job.tally.film_frames = number - chunk.film_first
        job.tally.concealed = reader.concealed


def _upscaled(
    decoded: Iterator[tuple[int, Picture]], reuse: Reuse, ahead: int
) -> Generator[FilmFrame, None, None]:
    """Film frames in order, while up to `ahead` more are being upscaled."""
    begun: deque[tuple[int, Picture, Future[Picture]]] = deque()
    for number, picture in decoded:
        begun.append((number, picture, reuse(number, picture)))
        if len(begun) > ahead:
            first, source, result = begun.popleft()
            yield FilmFrame(first, source, result.result())
    reuse.finish()
    for number, picture, result in begun:
        yield FilmFrame(number, picture, result.result())


def _mixed(job: _Job, film: Iterator[FilmFrame]) -> Iterator[tuple[int, Picture]]:
    """The chunk's pictures with their times after the chunk's start."""
    plan, chunk = job.plan, job.chunk
    mixer = Mixer(job.spec.interpolation, _finder(job))
    at_hand: dict[int, FilmFrame] = {}
    for output in range(chunk.first, chunk.end):
        left, weight = plan.left[output], plan.weight[output]
        for number in (left, left + 1) if weight else (left,):
            while number not in at_hand:
                frame = next(film, None)
                if frame is None:
                    raise ContractError(f"Film frame {number} did not come; chunk {chunk.index} is not made.")
                at_hand[frame.number] = frame
        at_hand = {number: frame for number, frame in at_hand.items() if number >= left}
        with job.tally.busy("interpolate"):
            picture = mixer.mix(at_hand[left], at_hand.get(left + 1, at_hand[left]), weight)
        yield plan.times[output] - plan.times[chunk.first], picture
    if next(film, None) is not None:
        raise ContractError(f"Chunk {chunk.index} was given more film frames than it needs.")


def _finder(job: _Job) -> MotionFinder | None:
    """What finds motion for `rife`; a network is read only where the chunk mixes film frames."""
    mixes = any(job.plan.weight[job.chunk.first : job.chunk.end])
    if job.finder or job.spec.interpolation != "rife" or not mixes:
        return job.finder
    return open_rife(job.spec.device, film_colour(job.info.video, job.spec), job.settings)


def needed_film(plan: Plan, chunk: Chunk) -> frozenset[int]:
    """Numbers of the film frames that the chunk's output frames are made of."""
    pairs = zip(plan.left[chunk.first : chunk.end], plan.weight[chunk.first : chunk.end], strict=True)
    return frozenset(number for left, weight in pairs for number in (left, left + (weight > 0)))


def mean_rate(plan: Plan) -> Fraction:
    """Frames per second of the result, or their mean where times vary."""
    if plan.frame_rate is not None:
        return plan.frame_rate
    duration = (plan.end - plan.times[0]) * plan.time_base
    return (len(plan.times) / duration).limit_denominator(1001)


def _writer(job: _Job, output: Path) -> ChunkWriter:
    spec, plan = job.spec, job.plan
    return ChunkWriter(
        output,
        size=plan.geometry.output,
        layout=plan.layout,
        colour=result_colour(job.info.video, spec),
        settings=EncodeSettings(
            codec=spec.codec,
            quality=spec.quality,
            preset=spec.preset,
            hardware=spec.hardware,
            container=spec.container,
        ),
        frame_rate=mean_rate(plan),
        time_base=plan.time_base,
    )


def _prove(job: _Job, written: int) -> None:
    """Prove that no frame was lost: as many film frames read, and frames written, as planned."""
    chunk = job.chunk
    wanted = chunk.film_end - chunk.film_first
    if job.tally.film_frames != wanted:
        raise ContractError(
            f"Chunk {chunk.index} is made of {wanted} film frames, but {job.tally.film_frames} were read."
        )
    if written != chunk.frames:
        raise ContractError(f"Chunk {chunk.index} has {chunk.frames} frames, but {written} were written.")
