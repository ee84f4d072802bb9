"""How each of our own networks is made."""

from pydantic import Field

from sakuga.errors import InputError
from sakuga.media.info import Frozen


class Recipe(Frozen):
    """Everything that decides what a network becomes, but the pictures.

    Attributes:
        name: of the model.
        domain: what it is for, `drawn` or `filmed`.
        features: channels of the inner convolutions.
        layers: inner convolutions, without the first and the last one.
        steps: of training.
        batch: patches of a step.
        patch: side of a patch of the source, in samples.
        rate: Adam's learning rate before it falls.
        hold: share of the steps after which the rate begins to fall, along a cosine.
        pairs: pictures with their sources that are made before training.
        drawings: share of the pairs that are drawings made by the code.
        leaves: share of the pairs that are pictures like photographs made by the code.
        clean: share of the pairs that are only made smaller.
        seed: of everything that is random.
        teacher: one of Sakuga's models, whose results are learned instead of the truth; empty for the truth.
    """

    name: str
    domain: str
    features: int = Field(ge=4, le=256)
    layers: int = Field(ge=1, le=64)
    steps: int = Field(40_000, ge=10)
    batch: int = Field(16, ge=1, le=1024)
    patch: int = Field(48, ge=16, le=160)
    rate: float = Field(2e-3, gt=0, lt=1)
    hold: float = Field(0.3, ge=0, lt=1)
    pairs: int = Field(2400, ge=8)
    drawings: float = Field(0.3, ge=0, le=1)
    leaves: float = Field(0, ge=0, le=1)
    clean: float = Field(0.55, ge=0, le=1)
    seed: int = Field(1, ge=0)
    teacher: str = ""

    def pairs_key(self) -> str:
        """What of it decides the pairs."""
        made = f"{self.drawings} {self.leaves}" if self.leaves else f"{self.drawings}"
        return f"{self.pairs} {made} {self.clean} {self.seed} {self.teacher}".rstrip()


RECIPES = (
    Recipe(name="drawn-s", domain="drawn", features=16, layers=4, steps=30_000),
    Recipe(name="drawn-m", domain="drawn", features=32, layers=6, steps=30_000),
    Recipe(name="drawn-l", domain="drawn", features=48, layers=10, steps=12_000),
    Recipe(name="drawn-denoise-m", domain="drawn", features=32, layers=6, steps=14_000, clean=0.1),
    Recipe(
        name="drawn-sharp-m",
        domain="drawn",
        features=32,
        layers=6,
        steps=20_000,
        teacher="realesr-animevideov3",
    ),
    Recipe(name="filmed-s", domain="filmed", features=16, layers=4, steps=20_000, drawings=0, leaves=0.4),
    Recipe(name="filmed-m", domain="filmed", features=32, layers=6, steps=20_000, drawings=0, leaves=0.4),
    Recipe(name="filmed-l", domain="filmed", features=48, layers=10, steps=15_000, drawings=0, leaves=0.4),
    Recipe(
        name="filmed-denoise-m",
        domain="filmed",
        features=32,
        layers=6,
        steps=12_000,
        drawings=0,
        leaves=0.4,
        clean=0.1,
    ),
)


def find_recipe(name: str) -> Recipe:
    """The recipe of this name.

    Raises:
        InputError: there is none.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    known = ", ".join(recipe.name for recipe in RECIPES)
    raise InputError(f"There is no recipe {name!r}; choose one of {known}.")
