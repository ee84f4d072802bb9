from pathlib import Path

import pytest

from tests.acceptance.jobs import FAST, RESULTS, left_running, result_of, sakuga
from tests.clips import make_clip

REFUSAL_CPU = 1.0
"""Seconds of processor time that a refusal may take; wall time would measure the neighbours."""

DRESSED = {
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
    "concat.mp4": "ffconcat version 1.0\nfile '{other}'\n",
    "dash.mp4": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
        '<Representation id="1"><BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    ),
    "sdp.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "text.mp4": "this is not a video\n",
    "empty.mp4": "",
}
HOSTILE_NAMES = (
    "-i.mp4",
    "file:colon.mp4",
    "concat:a|b.mp4",
    "100%d percent %03d.mp4",
    'it\'s "quoted" $HOME `id`.mp4',
    "new\nline.mp4",
    "glob*[a-z]?{x,y}.mp4",
    "作画 été.mp4",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRESSED)
def test_what_is_no_video_is_refused_in_a_moment(tmp_path: Path, home: Path, name: str) -> None:
    other = make_clip(tmp_path / "other.mp4")
    fake = tmp_path / name
    fake.write_text(DRESSED[name].format(other=other))
    refused = sakuga("enhance", fake, "-o", tmp_path / "out", *FAST, home=home)
    assert refused.code == 2, refused.said
    assert name in refused.err + refused.out
    assert "Traceback" not in refused.err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    assert refused.cpu < REFUSAL_CPU


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--scale", "5"),
        ("--scale", "nonsense"),
        ("--model", "no-such-model"),
        ("--fps", "0"),
        ("--codec", "av1", "--container", "mov"),
        ("--quality", "99"),
        ("--preset", "warp9"),
    ],
    ids=" ".join,
)
def test_options_that_cannot_be_done_are_refused(
    tmp_path: Path, home: Path, options: tuple[str, ...]
) -> None:
    source = make_clip(tmp_path / "clip.mp4")
    refused = sakuga("enhance", source, *options, home=home)
    assert refused.code == 2, refused.said
    assert "Traceback" not in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4"]


@pytest.mark.slow
def test_a_missing_file_is_refused(tmp_path: Path, home: Path) -> None:
    refused = sakuga("enhance", tmp_path / "nothing.mp4", home=home)
    assert refused.code == 2, refused.said
    assert "nothing.mp4" in refused.err + refused.out


@pytest.mark.slow
def test_a_name_is_just_a_name_and_nothing_is_left_behind(tmp_path: Path, home: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    plain = make_clip(tmp_path / "plain.mp4", frames=6, audio_seconds=0.25)
    sources = [folder / name for name in HOSTILE_NAMES]
    for source in sources:
        source.write_bytes(plain.read_bytes())
    done = sakuga("enhance", "-o", out, *FAST, "--", *HOSTILE_NAMES, home=home, folder=folder)
    assert done.code == 0, done.said
    results = {result_of(source, out) for source in sources}
    assert results == {path for path in out.iterdir() if path.suffix in RESULTS}
    assert len(results) == len(sources)
    assert out / "new_line.sakuga.mp4" in results
    assert not [path.name for path in out.iterdir() if path.name.startswith(".") or "part" in path.suffix]
    assert sorted(folder.iterdir()) == sorted(sources)
    assert not list((home / "scratch").glob("*"))
    assert left_running(home) == []


@pytest.mark.slow
def test_one_failure_does_not_stop_the_rest(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.mp4").write_text("no video")
    good = make_clip(folder / "b.mp4", frames=6)
    ended = sakuga("enhance", folder, "-o", tmp_path / "out", *FAST, home=home)
    assert ended.code == 2, ended.said
    assert result_of(good, tmp_path / "out").exists()
