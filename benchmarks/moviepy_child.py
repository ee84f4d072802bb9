"""An episode as MoviePy's documentation makes it.

`python -m benchmarks.moviepy_child RESULT FADE CLIP ...`; `FADE` is in seconds. Every clip is opened
at once, brought to 720p with bars, and faded into the next, its sound too.
"""

import sys

from moviepy import VideoFileClip, afx, concatenate_videoclips, vfx

from benchmarks.episode_forms import CRF, PRESET, RATE, SIZE


def main() -> None:
    """Write the episode."""
    result, fade, *paths = sys.argv[1:]
    seconds = float(fade)
    clips = []
    for number, path in enumerate(paths):
        clip = VideoFileClip(path)
        if clip.size != list(SIZE):
            scale = min(SIZE[0] / clip.size[0], SIZE[1] / clip.size[1])
            clip = clip.resized((round(clip.size[0] * scale / 2) * 2, round(clip.size[1] * scale / 2) * 2))
        effects = [afx.AudioFadeOut(seconds)] if number < len(paths) - 1 else []
        if number:
            effects += [vfx.CrossFadeIn(seconds), afx.AudioFadeIn(seconds)]
        clips.append(clip.with_effects(effects))
    whole = concatenate_videoclips(clips, method="compose", padding=-seconds)
    whole.write_videofile(
        result,
        fps=RATE,
        codec="libx264",
        preset=PRESET,
        ffmpeg_params=["-crf", str(CRF), "-pix_fmt", "yuv420p"],
        audio_codec="aac",
        logger=None,
    )


if __name__ == "__main__":
    main()
