"""Results as tables of markdown, and progress as a drawing."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from training.evaluate import Result

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 320, 60, 40
COLOURS = ("#1f6fb4", "#d1495b", "#3a7d44", "#8f5aa8")


def psnr_table(results: Sequence[Result], own: str) -> str:
    """PSNR and SSIM of every model, and by how much ours is above the best of the others but Lanczos."""
    models = list(dict.fromkeys(result.model for result in results))
    others = [model for model in models if model not in (own, "lanczos")]
    by = {(result.condition, result.model): result.measures for result in results}
    heads = ["", *models, *(["above the best of the others"] if others else [])]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for condition in dict.fromkeys(result.condition for result in results):
        cells = [f"{by[condition, model].psnr:.2f} / {by[condition, model].ssim:.4f}" for model in models]
        if others:
            best = max(by[condition, model].psnr for model in others)
            cells.append(f"{by[condition, own].psnr - best:+.2f}")
        lines.append(_row([condition, *cells]))
    return "\n".join(lines)


def line_table(results: Sequence[Result]) -> str:
    """Sharpness of lines, and halos beside them, of every model."""
    models = list(dict.fromkeys(result.model for result in results))
    by = {(result.condition, result.model): result.measures for result in results}
    lines = [_row(["", *models]), _row(["---"] * (len(models) + 1))]
    for condition in dict.fromkeys(result.condition for result in results):
        cells = [
            f"{by[condition, model].sharpness:.2f} / {by[condition, model].halo:.2f}" for model in models
        ]
        lines.append(_row([condition, *cells]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plot(title: str, curves: dict[str, list[tuple[float, float]]], unit: str) -> str:
    """Curves over the steps of training, as SVG.

    Args:
        title: above them.
        curves: by their names, points of step and value.
        unit: of the values.
    """
    points = [point for curve in curves.values() for point in curve]
    most = max((step for step, _ in points), default=1.0) or 1.0
    values = sorted(value for _, value in points) or [0.0]
    low, high = values[0], values[-1]
    # the first steps are far below the others, which would all lie on one line
    low = max(low, values[len(values) // 10] - (high - values[len(values) // 10]))
    high, low = (high, low) if high > low else (low + 1, low)

    def place(step: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - 20) * step / most
        y = 40 + (HEIGHT - BOTTOM - 40) * (high - max(value, low)) / (high - low)
        return f"{x:.1f},{y:.1f}"

    parts = [f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>']
    for tick in range(5):
        value = low + (high - low) * tick / 4
        y = place(0, value).split(",")[1]
        parts.append(f'<path d="M{LEFT},{y} H{WIDTH - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="4" y="{y}" font-size="11">{value:.4g} {escape(unit)}</text>')
        step = most * tick / 4
        x = place(step, low).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - 18}" font-size="11">{step:.0f}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(place(*point) for point in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        left = LEFT + 150 * number
        parts.append(
            f'<text x="{left}" y="{HEIGHT - 4}" font-size="12" fill="{colour}">{escape(name)}</text>'
        )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"])
