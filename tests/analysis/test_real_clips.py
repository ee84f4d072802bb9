from pathlib import Path

import pytest

from sakuga.analysis.cadence import analyse
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.decode import FrameReader
from sakuga.media.film import film_pictures
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.assets import asset_files

KINDS = {"bbb_telecined_480i_dvd.mpg": "telecined", "karma_interlaced_2997i_tff.mp4": "interlaced"}


@pytest.mark.slow
@pytest.mark.parametrize("path", asset_files("video"), ids=lambda path: path.name)
def test_a_real_clip_is_what_its_maker_says(path: Path) -> None:
    probed = probe(path, Limits())
    with FrameReader(path, probed.info.video, probed.packets, limits=Limits()) as reader:
        analysis = analyse(reader, probed.info, probed.packets, EnhanceSpec())
    assert analysis.found.kind == KINDS.get(path.name, "progressive"), analysis.reason
    if path.name in KINDS:
        assert analysis.found.field_order == "tff"
        assert not any(analysis.track.film.combed)


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in asset_files("video") if p.name in KINDS], ids=lambda p: p.name)
def test_film_of_a_real_clip_in_pieces_equals_film_at_once(path: Path) -> None:
    probed = probe(path, Limits())
    video = probed.info.video
    with FrameReader(path, video, probed.packets, limits=Limits()) as reader:
        film = analyse(reader, probed.info, probed.packets, EnhanceSpec()).track.film
        whole = list(film_pictures(reader, film, 0, 40, video))
        for length in (7, 16):
            pieces = [
                picture
                for first in range(0, 40, length)
                for picture in film_pictures(reader, film, first, min(40, first + length), video)
            ]
            assert all(a.same_as(b) for a, b in zip(pieces, whole, strict=True))
        last = list(film_pictures(reader, film, film.count - 3, film.count, video))
        longer = list(film_pictures(reader, film, film.count - 11, film.count, video))
        assert all(a.same_as(b) for a, b in zip(last, longer[-3:], strict=True))
