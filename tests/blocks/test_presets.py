from fractions import Fraction

import pytest

from blocks import EnhancePreset, with_preset
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError


def _preset(**options: object) -> EnhancePreset:
    return EnhancePreset(spec=EnhanceSpec.model_validate(options))


def test_what_a_spec_leaves_at_its_default_comes_from_the_preset() -> None:
    preset = _preset(model="lanczos", quality=20, audio="none")
    spec = EnhanceSpec(model="bicubic", tonemap=True)
    assert with_preset(spec, preset) == EnhanceSpec(model="bicubic", quality=20, audio="none", tonemap=True)


def test_an_empty_spec_becomes_the_presets_and_an_empty_preset_changes_nothing() -> None:
    preset = _preset(height=1080, codec="hevc", container="mkv", fps="24000/1001")
    assert with_preset(EnhanceSpec(), preset) == preset.spec
    assert with_preset(preset.spec, EnhancePreset()) == preset.spec


def test_a_default_that_a_form_sends_along_counts_as_left() -> None:
    sent = EnhanceSpec.model_validate(EnhanceSpec().model_dump(mode="json"))
    assert with_preset(sent, _preset(quality=30)).quality == 30


def test_an_options_own_companions_are_not_mixed_with_another_choice() -> None:
    av1 = _preset(codec="av1", container="mkv", quality=30, preset="6", height=2160, bit_depth="10")
    chosen = with_preset(EnhanceSpec(codec="prores", container="mov", scale=Fraction(3)), av1)
    assert chosen == EnhanceSpec(codec="prores", container="mov", scale=Fraction(3), bit_depth="10")


def test_a_preset_that_does_not_fit_is_refused_with_the_reason() -> None:
    with pytest.raises(OptionError, match="av1 does not go into mov"):
        with_preset(EnhanceSpec(container="mov"), _preset(codec="av1"))


def test_a_presets_form_shows_every_option_of_the_spec() -> None:
    schema = EnhancePreset.model_json_schema()
    options = schema["definitions"]["EnhanceSpec"]["properties"]
    assert list(options) == list(EnhanceSpec.model_fields)
    assert all(option["title"] and option["description"] for option in options.values())
