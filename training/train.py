"""The training of one network."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from sakuga.errors import TrainingError
from training import checkpoint
from training.batches import batch, from_codes
from training.degrade import SCALE
from training.networks import LumaNetwork, TrainedNetwork, averaged, enlarged
from training.prepare import Pairs, Prepared
from training.recipes import Recipe
from training.saying import Say, nothing
from training.watch import LossWatch

WARM_UP = 200
"""Steps in which the rate rises to its full value."""

LEAST_RATE = 0.002
"""Share of the rate that is left in the last step."""

NEWEST = 0.002
"""Share of the newest weights in the mean that becomes the network."""

LARGEST = 1.0
"""Norm to which gradients are cut."""

EXACT = 0.1
"""Share of the steps, the last ones, that compute in fp32."""

LOOK_EVERY = 10
"""Steps between two looks at the loss, for which a GPU has to be waited for."""

GAIN = 0.05
"""dB above interpolation that a network must reach by its second check; else it has died."""

CHECK_EVERY = 1000
"""Steps between two looks at the pictures that are kept out."""

MARGIN = 4
"""Samples along the edges of a patch of the source that do not count: what is beyond is not seen there."""

SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Machine:
    """Where training runs; results of different machines differ in rounding.

    Attributes:
        device: `cpu`, `cuda:0` and so on.
        threads: of the CPU; 0 for torch's own choice.
        precision: of the convolutions until the last part of training.
    """

    device: str = "cpu"
    threads: int = 0
    precision: Literal["fp32", "bf16"] = "bf16"


class Training:
    """Training that goes on from a checkpoint where there is one.

    Args:
        pairs: what is learned from.
        recipe: what is made.
        folder: where the checkpoint and the log are kept.
        machine: where it runs.
        say: called with a line for each look at the pictures that are kept out.
    """

    def __init__(
        self,
        pairs: Prepared,
        recipe: Recipe,
        folder: Path,
        machine: Machine,
        say: Say = nothing,
    ) -> None:
        self._pairs, self._recipe, self._machine, self._say = pairs, recipe, machine, say
        self._file, self._log = folder / "checkpoint.pt", folder / "log.jsonl"
        if machine.threads:
            torch.set_num_threads(machine.threads)
        torch.manual_seed(recipe.seed)
        self._network = TrainedNetwork(recipe.features, recipe.layers)
        self._mean = {name: value.clone() for name, value in self._network.state_dict().items()}
        self._network.to(machine.device)
        self._mean = {name: value.to(machine.device) for name, value in self._mean.items()}
        self._optimizer = torch.optim.Adam(self._network.parameters(), recipe.rate, betas=(0.9, 0.99))
        self._watch = LossWatch()
        self._interpolated: dict[str, float] | None = None
        self.step, self.seconds = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self._restore()

    def run(self) -> LumaNetwork:
        """Train to the last step, and return the network as it is shipped.

        Raises:
            TrainingError: it diverged.
        """
        saved = begun = time.monotonic()
        before = self.seconds
        while self.step < self._recipe.steps:
            loss = self._one()
            self.step += 1
            now = time.monotonic()
            self.seconds = before + now - begun
            last, due = self.step == self._recipe.steps, now - saved > SAVE_SECONDS
            # a state that has gone wrong must not replace a good one
            if self.step % LOOK_EVERY == 0 or due or last:
                self._watch.take(float(loss), self.step)
            if self.step % CHECK_EVERY == 0 or last:
                self._check()
            if due or last:
                self._save()
                saved = now
        return self.network()

    def network(self) -> LumaNetwork:
        """The mean of the newest weights, in the form that is shipped, on the CPU."""
        network = TrainedNetwork(self._recipe.features, self._recipe.layers)
        network.load_state_dict({name: value.cpu() for name, value in self._mean.items()})
        return network.plain().eval()

    def _one(self) -> Tensor:
        recipe, device = self._recipe, torch.device(self._machine.device)
        for group in self._optimizer.param_groups:
            group["lr"] = rate(recipe, self.step)
        source, truth = batch(self._pairs.training, recipe, self.step)
        source = source.to(device, memory_format=torch.channels_last)
        exact = self._machine.precision == "fp32" or self.step >= recipe.steps * (1 - EXACT)
        with torch.autocast(device.type, torch.bfloat16, enabled=not exact):
            result = self._network(source)
        inner = slice(SCALE * MARGIN, -SCALE * MARGIN), slice(SCALE * MARGIN, -SCALE * MARGIN)
        loss = functional.l1_loss(result[..., *inner], truth.to(device)[..., *inner])
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), LARGEST)
        self._optimizer.step()
        share = max(NEWEST, 1 / (self.step + 1))
        averaged(self._mean, self._network.state_dict(), share)
        return loss.detach()

    def _check(self) -> None:
        network = self.network().to(self._machine.device)
        found = check(network, self._pairs.checks)
        if self._interpolated is None:
            self._interpolated = check(interpolation(), self._pairs.checks)
        gain = max(value - self._interpolated[name] for name, value in found.items())
        alive = self.step < 2 * CHECK_EVERY or gain >= GAIN
        if not (alive and all(math.isfinite(value) for value in found.values())):
            raise TrainingError(
                f"Training diverged: at step {self.step} the network gives nothing better than "
                "interpolation; start again with a lower rate."
            )
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": self._watch.mean, **found}
        with self._log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        shown = ", ".join(f"{name} {value:.3f} dB" for name, value in found.items())
        self._say(f"step {self.step} of {self._recipe.steps}, {self.seconds:.0f} s: {shown}")

    def _save(self) -> None:
        state: dict[str, Any] = {
            "step": self.step,
            "seconds": self.seconds,
            "network": self._network.state_dict(),
            "mean": self._mean,
            "optimizer": self._optimizer.state_dict(),
            "watch": self._watch.state(),
        }
        checkpoint.save(self._file, self._recipe, state)

    def _restore(self) -> None:
        state = checkpoint.restore(self._file, self._recipe)
        self.step = state["step"] if state else 0
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        # what was logged after the checkpoint comes again
        kept = [line for line in lines if json.loads(line)["step"] <= self.step]
        text = "".join(f"{line}\n" for line in kept)
        checkpoint.write_whole(self._log, lambda file: file.write(text.encode()))
        if state:
            self.seconds = state["seconds"]
            self._network.load_state_dict(state["network"])
            self._mean = {name: value.to(self._machine.device) for name, value in state["mean"].items()}
            self._optimizer.load_state_dict(state["optimizer"])
            self._watch.restore(state["watch"])
            self._say(f"goes on from step {self.step}")


def rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step: it rises, holds, and falls along a cosine."""
    rising = min(1.0, (step + 1) / WARM_UP)
    held = recipe.hold * recipe.steps
    share = max(0.0, (step - held) / max(1.0, recipe.steps - held))
    falling = LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * min(1.0, share))) / 2
    return recipe.rate * rising * falling


def interpolation() -> LumaNetwork:
    """A network that adds nothing."""
    network = LumaNetwork(4, 1)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    return network


def check(network: LumaNetwork, pairs: Pairs) -> dict[str, float]:
    """Mean PSNR in dB over the pairs that are only made smaller, and over all others."""
    device = next(network.parameters()).device
    found: dict[str, list[float]] = {"clean": [], "worn": []}
    with torch.no_grad():
        for number, kind in enumerate(pairs.kinds):
            source, truth = (
                from_codes(plane[number : number + 1, None].copy()) for plane in (pairs.source, pairs.truth)
            )
            result = enlarged(network, source.to(device)).cpu().clamp(0, 1)
            error = float((result - truth)[..., 8:-8, 8:-8].square().mean())
            value = -10 * math.log10(error) if error > 0 else 100.0 if error == 0 else math.nan
            found["clean" if kind == "clean" else "worn"].append(value)
    return {name: sum(values) / len(values) for name, values in found.items() if values}
