"""Telling a finished job from a name that is taken: the same command again does nothing twice."""

from pathlib import Path

from pydantic import ValidationError

from sakuga import ENGINE_VERSION
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import SakugaError
from sakuga.media.ref import file_digest
from sakuga.models.registry import possible_digests
from sakuga.quality.report import JobReport
from tasks.destination import REPORT, Destination


def finished_before(place: Destination, source: Path, spec: EnhanceSpec) -> JobReport | None:
    """The report of the result that is at `place`, if the same job made it; None otherwise.

    It did if the report beside it says so: every check passed, the same engine, model, options and source,
    and the result is still, byte for byte, the file that was checked.
    """
    if place.folder is None or not (place.folder / place.name).exists():
        return None
    try:
        report = JobReport.model_validate_json((place.folder / f"{place.stem}{REPORT}").read_bytes())
        same = (
            report.passed
            and report.versions.get("engine") == str(ENGINE_VERSION)
            and report.versions.get("model") in possible_digests(spec.model_choice())
            and report.asked == spec.model_dump(mode="json", exclude_defaults=True)
            and (report.source.sha256, report.source.size) == file_digest(source)
            and (report.result.sha256, report.result.size) == file_digest(place.folder / place.name)
        )
    except (OSError, ValidationError, SakugaError):
        return None
    return report if same else None
