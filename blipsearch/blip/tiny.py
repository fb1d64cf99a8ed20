"""Tiny BLIP checkpoints in the Hub's layout, every parameter random: for tests and examples."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipForQuestionAnswering,
    BlipModel,
    BlipTextConfig,
    BlipVisionConfig,
)

from blipsearch.blip.checkpoint import quiet
from blipsearch.blip.device import DTYPES
from blipsearch.blip.pixels import write_preprocessing
from blipsearch.blip.untyped import Network, NetworkClass
from blipsearch.errors import ShapeError

__all__ = ["HUB_VOCABULARY", "SMALL_VOCABULARY", "TinyTask", "write_tiny_checkpoint"]

TinyTask = Literal["itm", "caption", "vqa", "features"]
"""A checkpoint's task; `features` is a plain BlipModel with its own projections and no ITM head."""

HUB_VOCABULARY = 30524
"""Rows of the released checkpoints' embeddings: BERT's 30522 tokens, [DEC] and [ENC]."""
SMALL_VOCABULARY = 256

CLASSES: dict[TinyTask, NetworkClass] = {
    "itm": BlipForImageTextRetrieval,
    "caption": BlipForConditionalGeneration,
    "vqa": BlipForQuestionAnswering,
    "features": BlipModel,
}
WIDTH = 24
LAYERS = 2
DIM = 16
PATCH = 16
WORDS = """a an the of on in with and picture photo woman man dog cat sitting standing beach street
    red blue green yellow car train boat house tree two three is are how many what color where yes
    no large small white black riding horse bike ball park table food plate to near next holding
    ##s ##ing ##ed . , ? ! ' -"""
LETTERS = "bcdefghijklmnopqrstuvwxyz0123456789"


def write_tiny_checkpoint(  # what tests vary
    directory: str | Path,
    task: TinyTask,
    *,
    seed: int = 0,
    vocab_size: int = SMALL_VOCABULARY,
    image_size: int = 48,
    dtype: str = "float32",
) -> Path:
    """Write a checkpoint of some 300 kB (3 MB with the Hub's vocabulary); return its directory.

    Its layout, keys and special tokens are those of the released checkpoints; width 24, two layers
    each, embeddings of 16. The same arguments give the same files. All parameters are drawn at
    random: as transformers initialises it, a tiny vision tower would barely depend on the image.

    `image_size` is a multiple of 16; `vocab_size` counts [DEC] and [ENC]; `dtype` is the
    weights' on disk, float32, float16 or bfloat16.

    Raises ShapeError for sizes that cannot be.
    """
    words = _make_vocabulary(vocab_size)
    if image_size < PATCH or image_size % PATCH:
        raise ShapeError(f"image_size must be a multiple of {PATCH}, not {image_size}")
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    config = _make_config(vocab_size, image_size)
    network = _make_network(CLASSES[task], config, seed)
    _write_json(target / "config.json", {**config.to_dict(), "architectures": [_name(task)]})
    second_names = set(network.all_tied_weights_keys)
    weights = {
        key: value.to(DTYPES[dtype]).contiguous()
        for key, value in network.state_dict().items()
        if key not in second_names
    }
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(target, words)
    write_preprocessing(target, image_size)
    return target


def _name(task: TinyTask) -> str:
    name: str = CLASSES[task].__name__
    return name


def _make_config(vocab_size: int, image_size: int) -> BlipConfig:
    text = BlipTextConfig(
        vocab_size=vocab_size,
        hidden_size=WIDTH,
        encoder_hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=12,
        max_position_embeddings=64,
        bos_token_id=vocab_size - 2,
        sep_token_id=102,
        pad_token_id=0,
    )
    vision = BlipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        image_size=image_size,
        patch_size=PATCH,
    )
    return BlipConfig(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        image_text_hidden_size=DIM,
        projection_dim=DIM,
    )


def _make_network(network_class: NetworkClass, config: BlipConfig, seed: int) -> Network:
    with quiet():
        network = network_class(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            else:
                fan_in = parameter[0].numel() if parameter.ndim > 1 else 4 * WIDTH
                # Wide enough that images and texts are told apart after two layers.
                parameter.copy_(noise * 1.5 / math.sqrt(min(fan_in, 4 * WIDTH)))
    return network


def _make_vocabulary(vocab_size: int) -> list[str]:
    """Return the tokens before [DEC] and [ENC], with BERT's special tokens in BERT's places."""
    special = ["[PAD]", *(f"[unused{number}]" for number in range(99))]
    special += ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*LETTERS, *(f"##{letter}" for letter in f"a{LETTERS}")]
    words = list(dict.fromkeys([*special, *WORDS.split(), *letters]))
    missing = vocab_size - 2 - len(words)
    if missing < 0:
        raise ShapeError(f"vocab_size must be at least {len(words) + 2}, not {vocab_size}")
    return [*words, *(f"word{number}" for number in range(missing))]


def _write_tokenizer(directory: Path, words: list[str]) -> None:
    (directory / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokens = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    _write_json(directory / "tokenizer_config.json", {**settings, **tokens})


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
