from dataclasses import fields

import numpy as np
import pytest

from training.coding import Codec, coded
from training.degrade import Degradation, degraded, draw
from training.drawings import drawing
from training.measures import measures
from training.still import Still, from_luma_codes, from_rgb

WAYS = (
    Degradation(kernel="lanczos"),
    Degradation(kernel="aliased"),
    Degradation(blur=1.2),
    Degradation(halo=0.8),
    Degradation(noise=4),
    Degradation(grain=4),
    Degradation(bands=40),
    Degradation(comb=2),
    Degradation(codec="jpeg", quality=60),
    Degradation(codec="h264", quality=28),
    Degradation(codec="mpeg2", quality=8),
)


def moving(count: int = 3, size: int = 128) -> list[Still]:
    whole = from_rgb(drawing(11, size + 8 * count))
    return [whole.cut(8 * number, 4 * number, size, size) for number in range(count)]


@pytest.mark.parametrize("how", WAYS, ids=lambda how: f"{how.kernel} {how.kind}")
def test_the_same_seed_gives_the_same_source(how: Degradation) -> None:
    one, other = (degraded(moving(), how, np.random.default_rng(5)) for _ in range(2))
    assert all(
        np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("how", WAYS, ids=lambda how: f"{how.kernel} {how.kind}")
def test_a_source_is_the_picture_at_half_the_size_and_a_little_worse(how: Degradation) -> None:
    frames = moving()
    random = np.random.default_rng(5)
    clean, worn = (degraded(frames, each, random) for each in (Degradation(), how))
    for (y, blue, red), (best, *_) in zip(worn, clean, strict=True):
        assert y.shape == (64, 64)
        assert blue.shape == red.shape == (32, 32)
        assert 18 < measures(from_luma_codes(y), from_luma_codes(best)).psnr < 60


@pytest.mark.parametrize(("codec", "good", "bad"), [("h264", 18, 32), ("mpeg2", 2, 10), ("jpeg", 95, 55)])
def test_a_lower_quality_is_farther_from_the_picture(codec: Codec, good: int, bad: int) -> None:
    frames = degraded(moving(), Degradation(), np.random.default_rng(5))
    near, far = (
        [
            measures(from_luma_codes(after[0]), from_luma_codes(before[0])).psnr
            for before, after in zip(frames, coded(frames, codec, quality), strict=True)
        ]
        for quality in (good, bad)
    )
    assert min(near) > max(far) > 20


def test_colours_survive_the_encoders() -> None:
    frames = degraded(moving(1), Degradation(), np.random.default_rng(5))
    for codec, quality in (("h264", 17), ("mpeg2", 2), ("jpeg", 95)):
        ((_, *after),) = coded(frames, codec, quality)  # type: ignore[arg-type]
        for plane, before in zip(after, frames[0][1:], strict=True):
            assert float(np.abs(plane.astype(int) - before).mean()) < 6


def test_every_way_to_wear_a_picture_is_drawn_sooner_or_later() -> None:
    random = np.random.default_rng(1)
    drawn = [draw(random, 0.3) for _ in range(600)]
    kinds = {how.kind for how in drawn}
    assert kinds == {"clean", "h264", "mpeg2", "jpeg", "blur", "halo", "noise", "grain", "bands", "comb"}
    assert {how.kernel for how in drawn} == {"area", "bilinear", "cubic", "lanczos", "aliased"}
    untouched = [how for how in drawn if how == Degradation(kernel=how.kernel)]
    assert 0.25 < len(untouched) / len(drawn) < 0.4


def test_a_source_that_is_only_made_smaller_is_called_clean() -> None:
    assert Degradation(kernel="cubic").kind == "clean"
    assert {field.name for field in fields(Degradation)} >= {"blur", "codec"}
