"""What the episodes of the benchmark are like, for us and for the peer."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Form:
    """Width and height in pixels, and frames per second."""

    size: tuple[int, int]
    rate: Fraction


SIZE, RATE = (1280, 720), 24
CRF, PRESET = 17, "medium"
"""Our defaults, given to both."""

FADE = Fraction(1, 2)
CLIP_SECONDS = Fraction(31, 2)
OWN = Form(SIZE, Fraction(RATE))
OTHERS = (
    Form((854, 480), Fraction(30000, 1001)),
    Form((1920, 1080), Fraction(24)),
    Form((640, 480), Fraction(25)),
    Form((1280, 720), Fraction(30)),
    Form((720, 1280), Fraction(30)),
)
HALF = tuple(form for other in OTHERS for form in (OWN, other)) * 2
NONE = OTHERS * 4
