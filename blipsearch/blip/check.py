"""What a checkpoint must be like before its weights are let in.

Whatever is wrong here fails silently in transformers: it defaults what the config leaves out,
fills missing weights with random numbers, and answers an unknown token with [UNK].
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from safetensors import SafetensorError, safe_open

from blipsearch.blip.find import BUILTIN, RELEASED, CheckpointFiles, Task
from blipsearch.blip.untyped import ImageProcessor, Tokenizer
from blipsearch.errors import CheckpointMismatchError, CheckpointUnavailableError

__all__ = [
    "TEMPERATURE_KEY",
    "Shapes",
    "check_config",
    "check_pixels",
    "check_tokenizer",
    "check_weights",
    "itm_temperature",
    "read_config",
    "read_shapes",
]

HEADS_OF_WIDTH = {768: 12, 1024: 16}
"""Attention heads of the released text encoders (BLIP, med_config.json) and towers (vit.py)."""

TEMPERATURE_KEY = "blipsearch_itm_temperature"
"""Our own key in config.json: what the ITM logits are divided by before a probability is read."""

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each weight by its name."""


def read_config(files: CheckpointFiles) -> dict[str, Any]:
    """Read config.json as it stands, so that nothing in it is defaulted.

    Raises CheckpointMismatchError when it is not the JSON of a BLIP checkpoint.
    """
    try:
        raw = json.loads(files.config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointUnavailableError(
            f"{files.config} cannot be read as JSON ({error}); copy or download it again"
        ) from error
    if not isinstance(raw, dict) or raw.get("model_type") != "blip":
        found = raw.get("model_type") if isinstance(raw, dict) else type(raw).__name__
        raise CheckpointMismatchError(
            f"{files.config} is not of a BLIP checkpoint: its model_type is {found!r}, not 'blip'; "
            f"use one like {RELEASED['itm']}, or `{BUILTIN}`"
        )
    return raw


def check_config(files: CheckpointFiles, raw: Mapping[str, Any], task: Task) -> None:
    """Check the number of attention heads of text and vision, which no weight's shape shows.

    Raises CheckpointMismatchError when a count is absent, does not divide the width, or is not
    the one that the released widths were trained with.
    """
    for part in ("text_config", "vision_config"):
        section = raw.get(part)
        if not isinstance(section, dict):
            raise CheckpointMismatchError(f"{files.config} has no {part}; {_instead(task)}")
        _check_heads(files, part, section, task)


def _check_heads(files: CheckpointFiles, part: str, section: Mapping[str, Any], task: Task) -> None:
    width, heads = section.get("hidden_size"), section.get("num_attention_heads")
    for key, value in (("hidden_size", width), ("num_attention_heads", heads)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            said = "is missing" if value is None else f"is {value!r}"
            raise CheckpointMismatchError(
                f"{files.config}: {part}.{key} {said}; a wrong guess would give plausible "
                f"nonsense; take the checkpoint's newest revision, or {_instead(task)}"
            )
    needed = HEADS_OF_WIDTH.get(width or 0, heads)
    if heads != needed:
        raise CheckpointMismatchError(
            f"{files.config}: {part}.num_attention_heads is {heads}, but width {width} was trained "
            f"with {needed} (configs on the Hub before April 2023 were wrong); take the "
            f"checkpoint's newest revision, or {_instead(task)}"
        )
    if width is not None and heads is not None and width % heads:
        raise CheckpointMismatchError(
            f"{files.config}: {part}.hidden_size {width} cannot be split into {heads} "
            f"attention heads"
        )


def itm_temperature(files: CheckpointFiles, raw: Mapping[str, Any]) -> float:
    """Return the temperature of match probabilities from config.json, 1.0 where it has none.

    Raises CheckpointMismatchError when it is not a positive number.
    """
    value = raw.get(TEMPERATURE_KEY, 1.0)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        raise CheckpointMismatchError(
            f"{files.config}: {TEMPERATURE_KEY} must be a positive number, not {value!r}"
        )
    return float(value)


def read_shapes(files: CheckpointFiles, task: Task) -> dict[str, tuple[int, ...]]:
    """Read the names and shapes of the weights from the file's header, without loading them.

    Raises CheckpointUnavailableError when the file is torn: its header or its end is missing.
    """
    try:
        with safe_open(files.weights, framework="pt") as weights:
            return {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118  # not a mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointUnavailableError(
            f"{files.weights} is torn or not a safetensors file ({error}); copy or download it "
            f"again, or use another: --checkpoint DIR, {RELEASED[task]}, `{BUILTIN}`"
        ) from error


def check_weights(
    files: CheckpointFiles, raw: Mapping[str, Any], found: Shapes, wanted: Shapes, task: Task
) -> None:
    """Check that the file holds the wanted weights, all of them and no others, in their shapes.

    Raises CheckpointMismatchError, naming the file, the first few weights and how many, what the
    checkpoint is, and which one to use instead.
    """
    wrong = [
        f"{key} is {_shape(found[key])}, not {_shape(wanted[key])}"
        for key in sorted(found.keys() & wanted.keys())
        if found[key] != wanted[key]
    ]
    parts = [
        _few("missing", sorted(wanted.keys() - found.keys())),
        _few("unexpected", sorted(found.keys() - wanted.keys())),
        _few("of another shape than config.json says", wrong),
    ]
    faults = "; ".join(part for part in parts if part)
    if faults:
        raise CheckpointMismatchError(
            f"{files.weights} does not fit {task}: {faults}.{_what_it_is(raw)} Nothing is filled "
            f"in with random weights; {_instead(task)}"
        )


def check_tokenizer(files: CheckpointFiles, tokenizer: Tokenizer, raw: Mapping[str, Any]) -> None:
    """Check that the vocabulary is the one the embeddings were trained with.

    The tokenizer holds neither [DEC] nor [ENC]; they are the two rows after its own.

    Raises CheckpointMismatchError for another length, or other ids of [DEC], [SEP] or [PAD].
    """
    text = raw["text_config"]
    size = text.get("vocab_size")
    if not isinstance(size, int) or len(tokenizer) != size - 2:
        raise CheckpointMismatchError(
            f"{files.directory}: the tokenizer has {len(tokenizer)} tokens, but config.json's "
            f"vocab_size of {size} needs {size - 2 if isinstance(size, int) else 'two less'} "
            "([DEC] and [ENC] are the last two rows); copy vocab.txt and tokenizer.json from the "
            "checkpoint's own repository"
        )
    wanted = {"bos_token_id": size - 2, "sep_token_id": tokenizer.sep_token_id}
    wanted["pad_token_id"] = tokenizer.pad_token_id
    for key, value in wanted.items():
        if text.get(key) != value:
            raise CheckpointMismatchError(
                f"{files.config}: text_config.{key} is {text.get(key)!r}, but the tokenizer and "
                f"the vocabulary of {size} say {value}; one of the two is from another checkpoint"
            )
    if None in (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id):
        raise CheckpointMismatchError(
            f"{files.directory}: the tokenizer lacks [CLS], [SEP] or [PAD]; copy vocab.txt and "
            "tokenizer_config.json from the checkpoint's own repository"
        )


def check_pixels(files: CheckpointFiles, processor: ImageProcessor, image_size: object) -> None:
    """Check that pictures are brought to the size the position embeddings were trained for.

    Smaller pictures would be accepted by the network, with wrong positions.

    Raises CheckpointMismatchError for another size, or steps left out.
    """
    size = processor.size
    if (size.height, size.width) != (image_size, image_size):
        raise CheckpointMismatchError(
            f"{files.directory}: the image processor makes pictures of {size}, but "
            f"config.json's vision_config.image_size is {image_size}; make the two agree"
        )
    left_out = [
        step for step in ("do_resize", "do_rescale", "do_normalize") if not getattr(processor, step)
    ]
    if left_out:
        raise CheckpointMismatchError(
            f"{files.directory}: the image processor leaves out {', '.join(left_out)}; "
            "BLIP was trained with all of resize, rescale and normalize"
        )


def _few(what: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    more = f", ... ({len(items)} in all)" if len(items) > 3 else ""
    return f"{what}: {', '.join(items[:3])}{more}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(length) for length in shape) or "a scalar"


def _what_it_is(raw: Mapping[str, Any]) -> str:
    architectures = raw.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        return ""
    return f" Its config calls it {', '.join(str(name) for name in architectures)}."


def _instead(task: Task) -> str:
    return f"use a checkpoint for {task} such as {RELEASED[task]}, or `{BUILTIN}`"
