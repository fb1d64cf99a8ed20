"""The pretraining run: data, steps, averages, looks at itself, and resumes where it stopped."""

import copy
import json
import logging
import math
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from blipsearch.blip.pretraining.batches import Batch, random_batches
from blipsearch.blip.pretraining.calibration import fit_temperature
from blipsearch.blip.pretraining.curve import draw_curve
from blipsearch.blip.pretraining.dense import DenseHeads
from blipsearch.blip.pretraining.evaluation import CAPTION_PROMPT, Evaluator, related_scenes
from blipsearch.blip.pretraining.export import export_checkpoints
from blipsearch.blip.pretraining.groups import write_groups
from blipsearch.blip.pretraining.network import BlipNetwork, make_config
from blipsearch.blip.pretraining.objectives import Objectives
from blipsearch.blip.pretraining.recipe import Recipe
from blipsearch.blip.pretraining.schedule import learning_rate, progress
from blipsearch.blip.pretraining.vocabulary import (
    make_vocabulary,
    open_tokenizer,
    save_tokenizer,
)
from blipsearch.picturebook import grammar

__all__ = ["Run", "train"]

logger = logging.getLogger(__name__)

GROUPS_TO_START = 16
EVALUATED = (("new_scenes", 300), ("new_combinations", 150))
"""How many scenes of which splits a run measures itself on."""

EVALUATION_SEED = 5_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """Where and how one run is done; none of it changes what a step computes."""

    work: Path
    """Holds data/, state.pt, log.jsonl and checkpoint/."""
    device: str = "cpu"
    bfloat16: bool = False
    """Mixed precision: products in bfloat16, weights and sums in float32."""
    writers: int = 1
    """Processes that render training data meanwhile."""
    groups: int = 1500
    evaluate_minutes: float = 10.0
    save_minutes: float = 5.0


def train(recipe: Recipe, run: Run) -> dict[str, float]:
    """Train until `recipe` says it is over, from the last saved state if there is one.

    Leaves checkpoint/, log.jsonl and curve.png in `run.work`, and gives the last figures.
    """
    run.work.mkdir(parents=True, exist_ok=True)
    tokens = make_vocabulary({*grammar.WORDS, *CAPTION_PROMPT.split()})
    save_tokenizer(tokens, run.work / "tokenizer")
    with _writing_data(recipe, run):
        trainer = Trainer(recipe, run, tokens)
        trainer.resume()
        return trainer.go()


class Trainer:
    """One network on its way; `go` runs it to the end."""

    def __init__(self, recipe: Recipe, run: Run, tokens: list[str]) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.run, self.tokens = recipe, run, tokens
        self.device = torch.device(run.device)
        self.network = BlipNetwork(make_config(recipe, len(tokens))).to(self.device)
        self.dense = DenseHeads(recipe.width).to(self.device)
        self.averaged = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.AdamW(_parameter_groups(recipe, self), fused=True)
        self.tokenizer = open_tokenizer(run.work / "tokenizer")
        prompt = self.tokenizer(CAPTION_PROMPT, add_special_tokens=False)["input_ids"]
        start = torch.tensor([len(tokens), *prompt], device=self.device)
        self.objectives = Objectives(self.network, self.dense, start)
        self.step, self.minutes, self.done = 0, 0.0, 0.0
        self._losses: dict[str, float] = {}
        self._evaluators: dict[str, Evaluator] = {}

    def resume(self) -> None:
        """Go on from state.pt where there is one."""
        path = self.run.work / "state.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name in ("network", "dense", "averaged", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.minutes = state["step"], state["minutes"]
        logger.info("resumed at step %d, minute %.1f", self.step, self.minutes)

    def save(self) -> None:
        """Write state.pt, whole or not at all."""
        names = ("network", "dense", "averaged", "optimizer")
        state: dict[str, object] = {name: getattr(self, name).state_dict() for name in names}
        state |= {"step": self.step, "minutes": self.minutes}
        unfinished = self.run.work / "state.unfinished"
        torch.save(state, unfinished)
        unfinished.rename(self.run.work / "state.pt")

    def go(self) -> dict[str, float]:
        """Step until the recipe's steps or minutes are over; give the last figures."""
        batches = random_batches(_data(self.run), self.recipe.seed + self.step, self.device)
        started, before = time.monotonic(), self.minutes
        saved = looked = self.minutes
        while self.done < 1:
            self._take_step(next(batches))
            self.minutes = before + (time.monotonic() - started) / 60
            self.done = progress(self.recipe, self.step, self.minutes)
            if self.step % 50 == 0:
                self._report()
            if self.minutes - saved > self.run.save_minutes:
                self.save()
                saved = self.minutes
            if self.minutes - looked > self.run.evaluate_minutes:
                self.save()
                self.look()
                looked = self.minutes
        self.save()
        return self.look()

    def look(self) -> dict[str, float]:
        """Measure the averaged network, log the figures, calibrate it and export it."""
        if not self._evaluators:
            self._evaluators = {
                split: Evaluator(
                    related_scenes(split, number, seed=EVALUATION_SEED),
                    self.recipe.image_size,
                    self.tokenizer,
                )
                for split, number in EVALUATED
            }
        started = time.monotonic()
        with self._precision():
            figures = {
                f"{split} {name}": round(value, 4)
                for split, evaluator in self._evaluators.items()
                for name, value in evaluator.measure(self.averaged).items()
            }
            temperature = fit_temperature(
                *self._evaluators["new_scenes"].shown_pairs(self.averaged)
            )
        seconds = round(time.monotonic() - started, 1)
        self._log({"figures": figures, "itm temperature": temperature, "seconds": seconds})
        export_checkpoints(self.averaged, self.tokens, self.run.work / "checkpoint", temperature)
        draw_curve(self.run.work / "log.jsonl", self.run.work / "curve.png")
        return figures

    def _take_step(self, batch: Batch) -> None:
        rate = learning_rate(self.recipe, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self._precision():
            if self.done < self.recipe.warmup_share:
                losses = self.objectives.seeing(batch)
            else:
                losses = self.objectives.all(batch)
        torch.autograd.backward(self._weighted(losses))
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._average()
        self._remember(losses)

    def _weighted(self, losses: dict[str, Tensor]) -> Tensor:
        if len(losses) == 1:
            return losses["dense"]
        parts = [getattr(self.recipe, f"{name}_weight") * loss for name, loss in losses.items()]
        return torch.stack(parts).sum()

    def _average(self) -> None:
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        pairs = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
        with torch.no_grad():
            for ours, theirs in pairs:
                ours.lerp_(theirs, 1 - decay)

    def _remember(self, losses: dict[str, Tensor]) -> None:
        for name, loss in losses.items():
            value = float(loss.detach())
            self._losses[name] = 0.98 * self._losses.get(name, value) + 0.02 * value
        if not all(math.isfinite(value) for value in self._losses.values()):
            raise FloatingPointError(f"a loss is not finite at step {self.step}: {self._losses}")

    def _report(self) -> None:
        left = self.minutes / max(self.done, 1e-9) * (1 - self.done)
        losses = {name: round(value, 4) for name, value in self._losses.items()}
        self._log(
            {"losses": losses, "temperature": float(self.network.log_temperature.detach().exp())}
        )
        logger.info("step %d, %.1f min, %.1f left, %s", self.step, self.minutes, left, losses)

    def _log(self, entry: dict[str, object]) -> None:
        where = {"step": self.step, "minutes": round(self.minutes, 2), "done": round(self.done, 4)}
        with (self.run.work / "log.jsonl").open("a") as file:
            file.write(json.dumps(where | entry) + "\n")

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.run.bfloat16)


def _parameter_groups(recipe: Recipe, trainer: Trainer) -> list[dict[str, object]]:
    """Matrices decay; biases, norms, positions and the temperature do not."""
    parameters = [*trainer.network.parameters(), *trainer.dense.parameters()]
    decayed = [p for p in parameters if p.ndim in (2, 4)]
    others = [p for p in parameters if p.ndim not in (2, 4)]
    return [
        {"params": decayed, "weight_decay": recipe.weight_decay, "betas": (0.9, 0.98)},
        {"params": others, "weight_decay": 0.0, "betas": (0.9, 0.98)},
    ]


def _data(run: Run) -> Path:
    return run.work / "data"


@contextmanager
def _writing_data(recipe: Recipe, run: Run) -> Iterator[None]:
    """Render groups in other processes, and wait until there are enough to start."""
    _data(run).mkdir(exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    shares = [range(i, run.groups, run.writers) for i in range(run.writers)]
    arguments = (recipe.image_size, recipe.grid, run.work)
    writers = [
        spawn.Process(target=write_groups, args=(share, *arguments), daemon=True)
        for share in shares
    ]
    for writer in writers:
        writer.start()
    try:
        while len(list(_data(run).glob("*.npz"))) < min(GROUPS_TO_START, run.groups):
            time.sleep(0.5)
        yield
    finally:
        for writer in writers:
            writer.terminate()
            writer.join()
