"""BLIP checkpoints in the Hub's layout, every parameter random: for tests, examples, benchmarks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
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

__all__ = [
    "HUB_VOCABULARY",
    "SMALL_VOCABULARY",
    "TinyTask",
    "make_base_network",
    "write_base_checkpoint",
    "write_tiny_checkpoint",
]

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
PATCH = 16


@dataclass(frozen=True, slots=True)
class _Shape:
    """How large a network is: both towers have the same width and as many layers.

    `gain` is how much wider than to keep its variance a weight's spread is: a few layers must be
    wide to tell images and texts apart, many would then amplify every rounding.
    """

    width: int
    layers: int
    vision_heads: int
    text_heads: int
    dim: int
    image_size: int
    positions: int
    gain: float


TINY = _Shape(24, 2, vision_heads=4, text_heads=12, dim=16, image_size=48, positions=64, gain=1.5)
BASE = _Shape(
    768, 12, vision_heads=12, text_heads=12, dim=256, image_size=384, positions=512, gain=1.0
)
WORDS = """a an the of on in with and picture photo woman man dog cat sitting standing beach street
    red blue green yellow car train boat house tree two three is are how many what color where yes
    no large small white black riding horse bike ball park table food plate to near next holding
    ##s ##ing ##ed . , ? ! ' -"""
LETTERS = "bcdefghijklmnopqrstuvwxyz0123456789"


def write_tiny_checkpoint(  # noqa: PLR0913  # what tests vary
    directory: str | Path,
    task: TinyTask,
    *,
    seed: int = 0,
    vocab_size: int = SMALL_VOCABULARY,
    image_size: int = TINY.image_size,
    text_heads: int = TINY.text_heads,
    dtype: str = "float32",
) -> Path:
    """Write a checkpoint of some 300 kB (3 MB with the Hub's vocabulary); return its directory.

    Its layout, keys and special tokens are those of the released checkpoints; width 24, two layers
    each, embeddings of 16. The same arguments give the same files. All parameters are drawn at
    random: as transformers initialises it, a tiny vision tower would barely depend on the image.

    `image_size` is a multiple of 16, `text_heads` a divisor of 24; `vocab_size` counts [DEC] and
    [ENC]; `dtype` is the weights' on disk, float32, float16 or bfloat16.

    Raises ShapeError for sizes that cannot be.
    """
    if image_size < PATCH or image_size % PATCH:
        raise ShapeError(f"image_size must be a multiple of {PATCH}, not {image_size}")
    config = _make_config(replace(TINY, image_size=image_size, text_heads=text_heads), vocab_size)
    network = _make_network(CLASSES[task], config, seed, TINY.gain)
    return _write(Path(directory), task, network, dtype)


def write_base_checkpoint(directory: str | Path, *, seed: int = 0) -> Path:
    """Write an ITM checkpoint of the released base size (0.9 GB); return its directory.

    Its arithmetic is that of `Salesforce/blip-itm-base-coco`, its weights mean nothing.
    """
    return _write(Path(directory), "itm", make_base_network(seed), "float32")


def make_base_network(seed: int = 0) -> Network:
    """Make the network of `write_base_checkpoint`, in eval mode: 224 M parameters, all random."""
    config = _make_config(BASE, HUB_VOCABULARY)
    network = _make_network(CLASSES["itm"], config, seed, BASE.gain)
    return network.eval().requires_grad_(requires_grad=False)


def _write(target: Path, task: TinyTask, network: Network, dtype: str) -> Path:
    config = network.config
    words = _make_vocabulary(config.text_config.vocab_size)
    target.mkdir(parents=True, exist_ok=True)
    _write_json(target / "config.json", {**config.to_dict(), "architectures": [_name(task)]})
    second_names = set(network.all_tied_weights_keys)
    weights = {
        key: value.to(DTYPES[dtype]).contiguous()
        for key, value in network.state_dict().items()
        if key not in second_names
    }
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(target, words)
    write_preprocessing(target, config.vision_config.image_size)
    return target


def _name(task: TinyTask) -> str:
    name: str = CLASSES[task].__name__
    return name


def _make_config(shape: _Shape, vocab_size: int) -> BlipConfig:
    text = BlipTextConfig(
        vocab_size=vocab_size,
        hidden_size=shape.width,
        encoder_hidden_size=shape.width,
        intermediate_size=4 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.text_heads,
        max_position_embeddings=shape.positions,
        bos_token_id=vocab_size - 2,
        sep_token_id=102,
        pad_token_id=0,
    )
    vision = BlipVisionConfig(
        hidden_size=shape.width,
        intermediate_size=4 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.vision_heads,
        image_size=shape.image_size,
        patch_size=PATCH,
    )
    return BlipConfig(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        image_text_hidden_size=shape.dim,
        projection_dim=shape.dim,
    )


def _make_network(
    network_class: NetworkClass, config: BlipConfig, seed: int, gain: float
) -> Network:
    with quiet():
        network = network_class(config)
    generator = torch.Generator().manual_seed(seed)
    widest = config.text_config.intermediate_size
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            else:
                fan_in = parameter[0].numel() if parameter.ndim > 1 else widest
                parameter.copy_(noise * gain / math.sqrt(min(fan_in, widest)))
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
