"""A preset: options for enhancing, kept in Prefect under a name."""

from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, ValidationError

from blocks.stores import DOCUMENTATION
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError

FOLLOWERS = {
    "model": ("denoise",),
    "scale": ("height",),
    "codec": ("container", "quality", "preset", "hardware"),
}
"""Options that mean something only together with another: where a spec chooses that one, a preset's value
of these does not count either."""


class EnhancePreset(Block):
    """Options for enhancing that belong together, with the place where results go.

    Attributes:
        spec: What results are to be.
        output: Folder for the results; empty is beside the source, or in the store if one is named.
        store: Media store block, as type/name; empty uses the folder of the machine.
        description: What the preset is for.

    Example:
        Load a configured preset and complete options with it:
        ```python
        from blocks.preset import EnhancePreset, with_preset
        from sakuga.enhance.spec import EnhanceSpec

        preset = EnhancePreset.load("BLOCK_NAME")
        spec = with_preset(EnhanceSpec(height=1080), preset)
        ```
    """

    _block_type_name: ClassVar[str | None] = "Sakuga Enhance Preset"
    _block_type_slug: ClassVar[str | None] = "sakuga-enhance-preset"
    _logo_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9"
        "/assets/block-logos/process.png"
    )
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION
    _description = "Options for enhancing videos that belong together, under a name."

    description: str = Field(
        default="",
        title="Description",
        description="What the preset is for.",
        json_schema_extra={"position": 0},
    )
    output: str | None = Field(
        default=None,
        title="Output",
        description="Folder for the results; empty is beside the source, or in the store if one is named.",
        json_schema_extra={"position": 1},
    )
    store: str | None = Field(
        default=None,
        title="Store",
        description="Media store block, as `type/name`; empty uses the folder of the machine.",
        json_schema_extra={"position": 2},
    )
    spec: EnhanceSpec = Field(
        default=EnhanceSpec(),
        title="Options",
        description="What results are to be.",
        json_schema_extra={"position": 3},
    )


def with_preset(spec: EnhanceSpec, preset: EnhancePreset) -> EnhanceSpec:
    """A spec whose options that were left at their defaults come from a preset.

    Raises:
        OptionError: the two do not go together.
    """
    chosen = _changed(spec)
    unused = {name for option in chosen for name in FOLLOWERS.get(option, ())}
    given = {name: value for name, value in _changed(preset.spec).items() if name not in unused}
    try:
        return EnhanceSpec.model_validate(given | chosen)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise OptionError(f"These options and the preset do not go together: {reason}.") from error


def _changed(spec: EnhanceSpec) -> dict[str, Any]:
    default = EnhanceSpec()
    return {
        name: getattr(spec, name)
        for name in EnhanceSpec.model_fields
        if getattr(spec, name) != getattr(default, name)
    }


def completed(
    name: str | None, spec: EnhanceSpec, output: str | None, store: str | None
) -> tuple[EnhanceSpec, str | None, str | None]:
    """Options, output and store; what they leave open comes from the preset of that name, if one is named.

    Raises:
        OptionError: there is no such preset, or its options do not fit the others.
    """
    if not name:
        return spec, output, store
    try:
        preset = EnhancePreset.load(name.removeprefix(f"{EnhancePreset.get_block_type_slug()}/"))
    except ValueError as error:
        raise OptionError(f"There is no preset {name!r} in Prefect; save one or correct the name.") from error
    assert isinstance(preset, EnhancePreset)
    return with_preset(spec, preset), output or preset.output, store or preset.store
