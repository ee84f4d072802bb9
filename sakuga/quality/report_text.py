"""The quality report as markdown."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sakuga.quality.check import Check
from sakuga.quality.words import duration_text, escaped, rate_text, share_text, size_text

if TYPE_CHECKING:
    from sakuga.quality.report import FileFacts, JobReport, Work


def markdown(report: "JobReport") -> str:
    """The report for people; its first line is the verdict."""
    parts = [
        verdict(report.result.name, report.checks),
        table(("", "source", "result"), facts_rows(report.source, report.result)),
        "## What was done",
        "\n".join(f"- {escaped(sentence)}" for sentence in (*report.done, *work_sentences(report.work))),
        "## Checks",
        check_table(report.checks),
        "## Streams",
        table(
            ("stream", "kind", "codec", "", "why"),
            ((str(s.index), *map(escaped, (s.kind, s.codec, s.action, s.why))) for s in report.streams),
        ),
        "## Time",
        table(("stage", "time"), ((escaped(s.name), duration_text(s.seconds)) for s in report.stages)),
        *_asked(report),
        "Versions: " + ", ".join(escaped(f"{name} {value}") for name, value in report.versions.items()),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(name: str, checks: Sequence[Check]) -> str:
    """The head of a report: whether the result passed, and what did not."""
    name = escaped(name)
    failed = [check for check in checks if not check.passed]
    if checks and not failed:
        return f"# Passed: {name}\n\nAll {len(checks)} checks passed."
    return (
        f"# Failed: {name}\n\n{len(failed)} of {len(checks)} checks failed: "
        + ", ".join(escaped(check.name) for check in failed)
        + "."
    )


def check_table(checks: Sequence[Check]) -> str:
    """All checks, those that failed first."""
    return table(
        ("", "check", "value", "bound", "detail"),
        (
            ("ok" if c.passed else "**FAILED**", *map(escaped, (c.name, c.value, c.bound, c.detail)))
            for c in sorted(checks, key=lambda check: check.passed)
        ),
    )


def facts_rows(*files: "FileFacts") -> Iterable[tuple[str, ...]]:
    """Rows of a table of files, one column each."""
    rows: tuple[tuple[str, Callable[[FileFacts], str]], ...] = (
        ("name", lambda f: escaped(f.name)),
        ("size", lambda f: size_text(f.size)),
        ("container, codec", lambda f: f"{escaped(f.container)}, {escaped(f.codec)}"),
        ("picture", lambda f: f"{f.width}x{f.height}" + _shape(f)),
        ("frame rate", lambda f: rate_text(f.frame_rate) + ("" if f.constant_rate else ", variable")),
        ("frames", lambda f: str(f.frames)),
        ("duration", lambda f: duration_text(f.duration)),
        ("samples", lambda f: escaped(f.pix_fmt)),
        ("colour", lambda f: escaped(_colour(f))),
        ("fields", lambda f: escaped(f.field_order)),
        ("SHA-256", lambda f: f"`{f.sha256[:16]}`"),
    )
    for name, text in rows:
        yield name, *map(text, files)


def _shape(facts: "FileFacts") -> str:
    shape = "" if facts.sar == 1 else f", pixels {facts.sar.numerator}:{facts.sar.denominator}"
    return shape + (f", turned {facts.rotation} degrees" if facts.rotation else "")


def _colour(facts: "FileFacts") -> str:
    names = facts.matrix, facts.primaries, facts.transfer
    tags = names[0] if len(set(names)) == 1 else " / ".join(names)
    scale = "full" if facts.full_range else "limited"
    return f"{tags}, {scale} range" + ("" if facts.tagged else " (untagged)")


def work_sentences(work: "Work") -> list[str]:
    """What was computed, by what, and what was not."""
    fresh = work.chunks - work.cached_chunks
    noun = "chunk" if work.chunks == 1 else "chunks"
    sentences = [f"{work.chunks} {noun}: {fresh} computed, {work.cached_chunks} taken from the cache."]
    if total := work.computed + work.partial + work.reused:
        parts = f", {work.partial} computed in parts" if work.partial else ""
        text = f"Of {total} frames {work.computed} were computed{parts} and {work.reused} reused"
        sentences[0] += f" {text} ({share_text(work.reused, total)})."
    if work.partial and work.all_pixels:
        share = share_text(work.pixels, work.all_pixels)
        sentences.append(f"{share} of all pixels went through the model, margins and audits included.")
    if work.worst_audit is not None:
        sentences.append(
            f"Of the frames made of parts, {work.audits} had their whole computed as a check; the "
            f"worst agreed to {work.worst_audit:.1f} dB, and {work.refused} below the bound were replaced."
        )
    if work.regions_off:
        sentences.append(f"Parts of pictures were given up: {work.regions_off.rstrip('.')}.")
    for use in work.engines:
        sentences.append(f"The model ran on {use.device} in {use.precision}, by {use.backend}.")
        if use.fell_back:
            sentences.append(use.fell_back)
    return sentences


def _asked(report: "JobReport") -> list[str]:
    if not report.asked:
        return ["All options had their defaults."]
    options = ", ".join(escaped(f"{name} = {value}") for name, value in report.asked.items())
    return [f"Options: {options}"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in markdown; cells are already escaped."""
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)
