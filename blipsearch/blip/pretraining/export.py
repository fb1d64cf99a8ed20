"""Writes the three checkpoints of a network in the Hub's layout."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from blipsearch.blip.check import TEMPERATURE_KEY
from blipsearch.blip.pixels import write_preprocessing
from blipsearch.blip.pretraining.network import BlipNetwork
from blipsearch.blip.pretraining.vocabulary import save_tokenizer

__all__ = ["export_checkpoints"]

_TIED = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")
"""Stored once, under the names of what they are tied to, as transformers does."""


def export_checkpoints(
    network: BlipNetwork, tokens: list[str], folder: Path, temperature: float = 1.0
) -> None:
    """Write `folder`/itm, /caption and /vqa: config, float16 weights, tokenizer, preprocessing.

    `temperature` divides the ITM logits before they become a match probability.
    """
    for name in ("itm", "caption", "vqa"):
        directory = folder / name
        directory.mkdir(parents=True, exist_ok=True)
        part: PreTrainedModel = getattr(network, name)
        _save_weights(part, directory)
        _save_config(part, directory, temperature if name == "itm" else None)
        save_tokenizer(tokens, directory)
        write_preprocessing(directory, part.config.vision_config.image_size)
        if name != "itm":
            _save_generation(part, directory)


def _save_weights(part: nn.Module, directory: Path) -> None:
    weights = {
        name: value.detach().to("cpu", torch.float16).clone()
        for name, value in part.state_dict().items()
        if not name.endswith(_TIED)
    }
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _save_config(part: PreTrainedModel, directory: Path, temperature: float | None) -> None:
    config = part.config.to_dict()
    config["architectures"] = [type(part).__name__]
    config["dtype"] = "float16"
    if temperature is not None:
        config[TEMPERATURE_KEY] = temperature
    (directory / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _save_generation(part: PreTrainedModel, directory: Path) -> None:
    text = part.config.text_config
    settings = {
        "_from_model_config": True,
        "bos_token_id": text.bos_token_id,
        "eos_token_id": text.eos_token_id,
        "pad_token_id": text.pad_token_id,
    }
    (directory / "generation_config.json").write_text(json.dumps(settings, indent=2) + "\n")
