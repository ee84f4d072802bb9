import os
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from sakuga.errors import (
    DamagedMediaError,
    LimitError,
    SakugaError,
    TruncatedMediaError,
    UnreadableMediaError,
    UnsafeMediaError,
)
from sakuga.media.decode import FrameReader
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.assets import asset_files
from tests.clips import make_clip

LIMITS = Limits()
ROUNDED = {".mp4": 0, ".avi": 0, ".mkv": 1, ".flv": 1}
"""Frames by which the count of lost ones may be off: these two announce no count but a rounded duration."""
REFUSAL_SECONDS = 1.0
"""What a refusal may take."""


def refused(path: Path, kind: type[SakugaError], limits: Limits = LIMITS) -> str:
    start = time.monotonic()
    with pytest.raises(kind) as caught:
        probe(path, limits)
    assert time.monotonic() - start < REFUSAL_SECONDS
    assert type(caught.value) is kind
    return str(caught.value)


SCRIPTS = {
    "HLS playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "HLS playlist with a mark": "\ufeff#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
    "concat script": "ffconcat version 1.0\nfile secret.mp4\n",
    "concat script without a header": "# list\nfile 'secret.mp4'\n",
    "DASH manifest": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "SDP description": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n",
    "reference file": "[Reference]\nRef1=http://127.0.0.1/secret.asf\n",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
@pytest.mark.parametrize("name", ["dressed.mp4", "playlist.m3u8"])
def test_a_list_of_other_files_dressed_as_a_video_is_refused(tmp_path: Path, script: str, name: str) -> None:
    make_clip(tmp_path / "secret.mp4", frames=3)
    (tmp_path / name).write_text(script, encoding="utf-8")
    assert "names other files" in refused(tmp_path / name, UnsafeMediaError)


def test_a_movie_that_says_its_samples_are_elsewhere_is_read_from_itself(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mov", frames=3)
    data = clip.read_bytes()
    # The flag of the data reference says "in this file"; without it another file would be meant.
    place = data.index(b"url \x00\x00\x00\x01")
    clip.write_bytes(data[:place] + b"url \x00\x00\x00\x00" + data[place + 8 :])
    found = probe(clip, LIMITS)
    with FrameReader(clip, found.info.video, found.packets, limits=LIMITS) as reader:
        assert len(list(reader.read(0, 3))) == 3


@pytest.mark.parametrize(
    "name",
    [
        "-dash.mp4",
        "a:b.mp4",
        "http:x.mp4",
        "concat:a.mp4|b.mp4",
        "subfile,,start,0,end,0,,:clip.mp4",
        "quo'te\".mp4",
        "p%03d.mp4",
        "new\nline.mp4",
        "日本 é.mp4",
    ],
)
def test_a_strange_name_is_only_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_clip(tmp_path / "clip.mp4", frames=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name), LIMITS).info.video.frames == 3


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in refused(tmp_path / "empty.mp4", UnreadableMediaError)
    (tmp_path / "text.mp4").write_text("Dear diary, today I saw a film.")
    assert "is not a video" in refused(tmp_path / "text.mp4", UnreadableMediaError)
    assert "There is no file" in refused(tmp_path / "none.mp4", UnreadableMediaError)
    assert "is a folder" in refused(tmp_path, UnreadableMediaError)
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "not a regular file" in refused(tmp_path / "pipe.mp4", UnreadableMediaError)
    assert "not a regular file" in refused(Path("/dev/zero"), UnreadableMediaError)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    clip = make_clip(tmp_path / "clip.mp4", audio_seconds=1)
    with av.open(str(clip)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    assert "no video stream" in refused(path, UnreadableMediaError)


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(max_pixels=96 * 64 - 1), "96x64"),
        (Limits(max_streams=1), "more than 1 streams"),
        (Limits(max_frames=23), "frames"),
        (Limits(max_duration=0.5), "longer than the limit"),
        (Limits(max_frame_rate=23), "frames per second"),
        (Limits(max_file_bytes=100), "bytes"),
    ],
)
def test_what_passes_a_limit_is_refused(tmp_path: Path, limits: Limits, what: str) -> None:
    clip = make_clip(tmp_path / "clip.mp4", audio_seconds=1)
    assert what in refused(clip, LimitError, limits)


def test_a_pixel_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "bomb.avi", codec="mjpeg", pix_fmt="yuvj420p", frames=2)
    data = clip.read_bytes()
    for order, pair in (("little", (96, 64)), ("big", (64, 96))):
        octets = 4 if order == "little" else 2
        old = b"".join(side.to_bytes(octets, order) for side in pair)  # type: ignore[arg-type]
        assert old in data
        data = data.replace(old, (60000).to_bytes(octets, order) * 2)  # type: ignore[arg-type]
    clip.write_bytes(data)
    assert "larger than the limit" in refused(clip, UnreadableMediaError)


def test_a_hundred_streams_too_many_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("pcm_s16le", rate=8000) for _ in range(LIMITS.max_streams + 1)]
        video = container.add_stream("mpeg4", rate=25)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        container.mux(video.encode(av.VideoFrame(96, 64, "yuv420p")))
        container.mux(video.encode(None))
        assert len(tracks) == LIMITS.max_streams + 1
    assert "streams" in refused(path, LimitError)


def test_a_movie_without_its_index_is_said_to_end_early(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    clip.write_bytes(clip.read_bytes()[:-2000])
    assert "ends before its index" in refused(clip, TruncatedMediaError)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("clip.mkv", "libx264"), ("clip.mp4", "libx264"), ("clip.avi", "mpeg4"), ("clip.flv", "flv")],
)
def test_a_file_that_ends_early_is_refused_and_salvaged(tmp_path: Path, name: str, codec: str) -> None:
    clip = make_clip(
        tmp_path / name,
        frames=100,
        size=(320, 192),
        rate=Fraction(25),
        codec=codec,
        options={"g": "12", "movflags": "faststart"},
    )
    if name.endswith("mp4"):
        clip = index_first(clip)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 2 // 3])
    message = refused(clip, TruncatedMediaError)
    assert "is cut off after" in message
    assert "--salvage" in message
    found = probe(clip, LIMITS, salvage=True)
    assert found.truncated is not None
    assert "frames after" in found.truncated
    assert "--salvage" not in found.truncated
    assert str(tmp_path) not in found.truncated
    frames = len(found.packets)
    assert 20 < frames < 90
    assert abs(frames + found.lost_frames - 100) <= ROUNDED[clip.suffix]
    with FrameReader(clip, found.info.video, found.packets, limits=LIMITS, salvage=True) as reader:
        assert len(list(reader.read(0, frames))) == frames
        assert reader.concealed == 0


def index_first(clip: Path) -> Path:
    """The same clip with its index before its samples."""
    moved = clip.with_stem("first")
    with (
        av.open(str(clip)) as old,
        av.open(str(moved), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return moved


def test_a_whole_file_is_not_said_to_end_early(tmp_path: Path) -> None:
    for name, codec in [("a.mkv", "libx264"), ("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx")]:
        clip = make_clip(tmp_path / name, codec=codec, rate=Fraction(25))
        assert probe(clip, LIMITS).truncated is None


@pytest.mark.parametrize("path", asset_files("broken"), ids=lambda path: path.name)
def test_real_broken_files_are_refused_or_found_damaged(path: Path) -> None:
    if path.name != "decord_corrupted.mp4":
        refused(path, TruncatedMediaError if path.suffix == ".webm" else UnreadableMediaError)
        return
    found = probe(path, LIMITS)
    with (
        FrameReader(path, found.info.video, found.packets, limits=LIMITS) as reader,
        pytest.raises(DamagedMediaError, match="frame 30 at"),
    ):
        list(reader.read(0, len(found.packets)))
    saved = probe(path, LIMITS, salvage=True)
    assert saved.lost_frames > 0
