"""Every upscaler by its name."""

from sakuga.errors import OptionError
from sakuga.models import anime4k, lanczos
from sakuga.models.anime4k import Anime4K
from sakuga.models.base import ModelCard, Upscaler
from sakuga.models.lanczos import Lanczos


def model_cards() -> tuple[ModelCard, ...]:
    """Cards of all upscalers, the baseline last."""
    return (*anime4k.CARDS, lanczos.CARD)


def model_names() -> tuple[str, ...]:
    """Names that `load_upscaler` knows."""
    return tuple(card.name for card in model_cards())


def load_upscaler(name: str) -> Upscaler:
    """The upscaler of this name; its network is read when it is first used.

    Raises:
        OptionError: there is no such model; the message lists those there are.
    """
    if name == lanczos.CARD.name:
        return Lanczos()
    if name in model_names():
        return Anime4K(name)
    raise OptionError(f"There is no model {name!r}; choose one of {', '.join(model_names())}.")
