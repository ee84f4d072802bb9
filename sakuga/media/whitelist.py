"""What a source may be read with: shared by PyAV containers and ffmpeg command lines."""

PROTOCOL_WHITELIST = "file,pipe"
"""Nothing that reaches a network or splits one name into several."""

FORMAT_WHITELIST = ",".join(
    (
        "mov,mp4,m4a,3gp,3g2,mj2",
        "matroska,webm",
        "avi",
        "mpeg,mpegts,mpegvideo",
        "h264,hevc,av1,obu,ivf,m4v",
        "gif",
        "flv",
        "asf",
        "ogg",
        "nut",
        "mxf",
        "dv",
        "yuv4mpegpipe",
        "wav,flac,mp3,aac,ac3",
        "srt,ass,webvtt",
    )
)
"""Containers and elementary streams that hold their own data. Playlists and reference formats (hls, dash,
concat, sdp, imf, image sequences) are left out on purpose: they make the demuxer open other files."""
