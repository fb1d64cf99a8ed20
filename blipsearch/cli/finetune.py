"""`blipsearch finetune`: teach a checkpoint your own pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from blipsearch.options import DeviceOption, MaxMegapixelsOption, make_app

if TYPE_CHECKING:
    from blipsearch.blip.pretraining.finetune import FinetuneStep

app = make_app()


@app.command()
def finetune(  # noqa: PLR0913  # a command's options are its interface
    examples: Annotated[
        Path,
        typer.Argument(
            metavar="EXAMPLES",
            help='A JSONL file of {"image": path, "caption": text}, or a folder of pictures '
            "with a .txt file of captions beside each.",
        ),
    ],
    *,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the new checkpoint.")],
    task: Annotated[
        Literal["itm", "caption"],
        typer.Option(help="itm trains search and match, caption trains captions."),
    ] = "itm",
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="C", help="What to start from: a Hub name, a directory, `builtin`."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times every example is seen.")] = 5,
    batch_size: Annotated[int, typer.Option(min=2, help="Examples in a step.")] = 16,
    learning_rate: Annotated[float, typer.Option(min=0, help="The highest step size.")] = 1e-5,
    device: DeviceOption = None,
    max_megapixels: MaxMegapixelsOption = None,
) -> None:
    """Fine-tune a checkpoint on your own pictures with captions."""
    from blipsearch.blip.pretraining.examples import read_examples
    from blipsearch.blip.pretraining.finetune import FinetuneSettings
    from blipsearch.blip.pretraining.finetune import finetune as run
    from blipsearch.settings import make_settings

    names = {"itm": "checkpoint", "caption": "caption_checkpoint"}
    settings = make_settings(
        **{names[task]: checkpoint, "device": device, "max_megapixels": max_megapixels}
    )
    report = run(
        settings.checkpoint if task == "itm" else settings.caption_checkpoint,
        read_examples(examples),
        output,
        FinetuneSettings(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            device=settings.device,
            max_pixels=settings.max_pixels,
        ),
        task=task,
        on_step=_say,
    )
    typer.echo(f"{report.examples} examples, {report.steps} steps")
    for name, first in report.first_losses.items():
        typer.echo(f"  {name} loss: {first:.3f} at first, {report.last_losses[name]:.3f} at last")
    typer.echo(f"checkpoint: {report.output} (use it with --checkpoint {report.output})")


def _say(step: FinetuneStep) -> None:
    losses = ", ".join(f"{name} {loss:.3f}" for name, loss in step.losses.items())
    left = f"{step.seconds_left / 60:.1f} min left"
    end = "\n" if not sys.stderr.isatty() or step.step == step.steps else "\033[K\r"
    sys.stderr.write(f"step {step.step} of {step.steps}: {losses}; {left}{end}")
    sys.stderr.flush()
