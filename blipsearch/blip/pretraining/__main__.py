"""`python -m blipsearch.blip.pretraining`: trains the built-in checkpoint."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from blipsearch.blip.device import choose_device
from blipsearch.blip.pretraining.recipe import Recipe
from blipsearch.blip.pretraining.training import Run, train

DEFAULTS = Recipe()


def main(  # noqa: PLR0913, PLR0917 - one parameter an option
    work: Annotated[Path, typer.Option(help="Folder for data, state, log and checkpoints.")],
    minutes: Annotated[float, typer.Option(help="Length of the run.")] = DEFAULTS.minutes,
    warmup_share: Annotated[
        float, typer.Option(help="Share of the run that trains the vision tower alone.")
    ] = DEFAULTS.warmup_share,
    steps: Annotated[int, typer.Option(help="Length of the run, if shorter.")] = DEFAULTS.steps,
    seed: Annotated[int, typer.Option()] = DEFAULTS.seed,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    bfloat16: Annotated[
        bool | None, typer.Option(help="Mixed precision; by default where a GPU has it.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads on the CPU; 0 takes all cores.")] = 0,
    writers: Annotated[int, typer.Option(help="Processes that render meanwhile.")] = 1,
    groups: Annotated[int, typer.Option(help="Groups of 64 pictures to render.")] = 1500,
    evaluate_minutes: Annotated[float, typer.Option(help="Minutes between looks.")] = 10.0,
) -> None:
    """Train the built-in checkpoint; started again, it goes on where it stopped."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    if threads:
        torch.set_num_threads(threads)
    chosen = choose_device(device)
    if bfloat16 is None:
        bfloat16 = chosen.type == "cuda" and torch.cuda.is_bf16_supported()
    run = Run(work, str(chosen), bfloat16, writers, groups, evaluate_minutes)
    figures = train(Recipe(seed=seed, minutes=minutes, steps=steps, warmup_share=warmup_share), run)
    for name, value in figures.items():
        sys.stdout.write(f"{name:40} {value:.3f}\n")


if __name__ == "__main__":
    typer.run(main)
