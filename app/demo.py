"""`make demo`: enhance a clip, a given one or a cartoon that is drawn here, and say where the result is."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.demo_clip import make_demo_clip

FOLDER = Path("demo")
SIZE = (480, 270)
PICTURES = (".png", ".jpg", ".jpeg")


def run_demo(
    video: Annotated[Path | None, typer.Argument(help="A clip of yours; empty draws a cartoon.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the clip and the results go.")] = FOLDER,
) -> None:
    """Enhance a clip with the defaults, exactly as `sakuga enhance` does it."""
    folder.mkdir(parents=True, exist_ok=True)
    if video is None:
        video = folder / "little-fox.mkv"
        if not video.exists():
            typer.echo("Drawing a cartoon of six seconds, {}x{}.".format(*SIZE))
            make_demo_clip(video, size=SIZE)
    source = video.expanduser().absolute()
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "enhance",
        "-o",
        str(folder),
        "--overwrite",
        "--",
        str(source),
    ]
    ended = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
    if ended:
        raise typer.Exit(ended if ended > 0 else 1)
    typer.echo("\n" + "\n".join(f"{name:<13} {path}" for name, path in results(video, folder)))


def results(source: Path, folder: Path) -> list[tuple[str, Path]]:
    """What the demo has made of `source`: names and paths of the files that are there."""
    made = sorted(path for path in folder.iterdir() if path.name.startswith(f"{source.stem}.sakuga."))
    found = [("Before", source)]
    found += [("After", path) for path in made if path.suffix in (".mp4", ".mkv", ".mov")]
    found += [("Report", path) for path in made if path.name.endswith(".report.json")]
    found += [("Before/after", path) for path in made if path.suffix in PICTURES and "before" in path.stem]
    return found


if __name__ == "__main__":
    typer.run(run_demo)
