"""The key of a chunk: equal keys mean the same frames at the same times, coded in the same way."""

import hashlib
import json

from sakuga import ENGINE_VERSION
from sakuga.enhance.chunk import mean_rate
from sakuga.enhance.colours import film_colour, is_tonemapped, result_colour
from sakuga.enhance.near import NEAR_GROUP
from sakuga.enhance.plan import Chunk, Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.deinterlace import CONTEXT
from sakuga.media.info import MediaInfo
from sakuga.models.between import rife_digest
from sakuga.models.registry import model_digest


def chunk_key(source_sha256: str, info: MediaInfo, plan: Plan, chunk: Chunk, spec: EnhanceSpec) -> str:
    """Digest, in hexadecimal, of everything that the chunk's file depends on.

    Audio, container, the chunk's number and place in the result, and options without effect on this chunk
    are no part of it.

    Args:
        source_sha256: of the source file.
        info: what the source holds.
        plan: the whole result.
        chunk: the part of it.
        spec: what the user wants.

    Raises:
        OptionError: there is no such model.
    """
    parts = {
        "engine": ENGINE_VERSION,
        "source": [source_sha256, info.video.index, spec.salvage],
        "decoded": _decoded_part(plan, chunk),
        "film": _film_part(plan, chunk),
        "turned": [info.video.rotation, info.video.flipped],
        "output": _output_part(plan, chunk),
        "geometry": plan.geometry.model_dump(mode="json"),
        "layouts": [info.video.layout.pix_fmt, plan.layout.pix_fmt],
        "colours": [
            colour.model_dump(mode="json")
            for colour in (info.video.colour, film_colour(info.video, spec), result_colour(info.video, spec))
        ],
        "options": _option_part(info, plan, chunk, spec),
        "model": model_digest(spec.model_choice()),
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _decoded_part(plan: Plan, chunk: Chunk) -> list[object]:
    """The decoded frames used; the source's digest and these numbers tell their samples and times."""
    film = plan.film
    first, end = film.decoded_span(chunk.film_first, chunk.film_end)
    if film.kind in ("bob", "deinterlaced"):
        last = film.decoded_span(film.count - 1, film.count)[1]
        first, end = max(0, first - CONTEXT), min(last, end + CONTEXT)
    return [first, end]


def _film_part(plan: Plan, chunk: Chunk) -> list[object]:
    film, part = plan.film, slice(chunk.film_first, chunk.film_end)
    return [
        film.kind,
        film.top_field_first,
        # a bobbed chunk may begin at a frame's second field
        chunk.film_first % 2 if film.kind == "bob" else 0,
        film.top[part],
        film.bottom[part],
        film.combed[part],
    ]


def _output_part(plan: Plan, chunk: Chunk) -> list[object]:
    part, start = slice(chunk.first, chunk.end), plan.times[chunk.first]
    return [
        str(plan.time_base),
        str(mean_rate(plan)),
        [time - start for time in plan.times[part]],
        [left - chunk.film_first for left in plan.left[part]],
        plan.weight[part],
    ]


def _option_part(info: MediaInfo, plan: Plan, chunk: Chunk, spec: EnhanceSpec) -> dict[str, object]:
    """Options that act on the pixels of this chunk; the bit depth is in the layout already."""
    options = spec.pixel_part()
    del options["model"], options["bit_depth"]
    options["tonemap"] = is_tonemapped(info.video, spec)
    if spec.reuse == "near":
        # where in the chunk results begin anew
        options["near"] = [NEAR_GROUP, chunk.film_first % NEAR_GROUP]
    if not any(plan.weight[chunk.first : chunk.end]):
        options["interpolation"] = "nearest"
    elif spec.interpolation == "rife":
        options["interpolation"] = rife_digest()
    return options
