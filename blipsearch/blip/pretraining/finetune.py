"""Fine-tunes a BLIP checkpoint on a user's own pictures with captions.

A retrieval checkpoint learns by ITC and ITM, a captioning one by LM, each as in the paper; the
result is a checkpoint directory like the one it came from.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from blipsearch.blip.checkpoint import Checkpoint, load_checkpoint
from blipsearch.blip.find import Task, find_checkpoint
from blipsearch.blip.pixels import prepare_image
from blipsearch.blip.pretraining.examples import Example
from blipsearch.blip.pretraining.network import attended_texts
from blipsearch.blip.pretraining.objectives import contrastive_loss, language_loss
from blipsearch.blip.text import Vocabulary, pad
from blipsearch.blip.untyped import Network
from blipsearch.blip.vision import encode_vision
from blipsearch.errors import CheckpointMismatchError, SourceError
from blipsearch.images import open_image

__all__ = ["FinetuneReport", "FinetuneSettings", "FinetuneStep", "finetune"]

PROMPT = "a picture of "
TEMPERATURE = 0.07
"""Of the contrastive loss; the released checkpoints do not keep their own."""

CLIP_NORM = 1.0
_COPIED = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """How long and how boldly to train; the defaults suit a released checkpoint."""

    epochs: int = 5
    batch_size: int = 16
    learning_rate: float = 1e-5
    weight_decay: float = 0.05
    seed: int = 0
    device: str = "auto"
    max_pixels: int = 200_000_000
    """Larger pictures are refused."""


@dataclass(frozen=True, slots=True)
class FinetuneStep:
    """Where a run stands: after `step` of `steps`, with each loss by name."""

    step: int
    steps: int
    losses: dict[str, float]
    seconds_left: float


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """A finished run: where the checkpoint lies, and the losses of its first and last steps."""

    output: Path
    examples: int
    steps: int
    first_losses: dict[str, float]
    last_losses: dict[str, float]


def finetune(
    checkpoint: str,
    examples: Sequence[Example],
    output: Path,
    settings: FinetuneSettings | None = None,
    *,
    task: Task = "itm",
    on_step: Callable[[FinetuneStep], None] | None = None,
) -> FinetuneReport:
    """Train `checkpoint` on `examples` and write the result to the directory `output`.

    `checkpoint` is `builtin`, a directory or a name on the Hub; `task` "itm" trains a retrieval
    checkpoint and "caption" a captioning one. `output` is itself a checkpoint directory, in
    float32, and may be trained on. With a CUDA GPU that has bfloat16, products are computed in it.

    Raises SourceError for fewer than two examples, CheckpointMismatchError for another task,
    ImageUnreadableError or ImageTooLargeError for a picture, and what loading a checkpoint raises.
    """
    settings = settings or FinetuneSettings()
    if task not in _LOSSES:
        raise CheckpointMismatchError(
            f"checkpoints for {task!r} are not fine-tuned; use task 'itm' or 'caption'"
        )
    if len(examples) < 2:
        raise SourceError(f"fine-tuning needs at least two examples, not {len(examples)}")
    loaded = load_checkpoint(checkpoint, task, device=settings.device, dtype="float32")
    taken = list(_run(loaded, examples, settings, _LOSSES[task], on_step))
    _save(loaded.network, find_checkpoint(checkpoint, task).directory, output)
    return FinetuneReport(output, len(examples), len(taken), taken[0], taken[-1])


@dataclass(frozen=True, slots=True)
class _Texts:
    """The captions of a batch, and which of its pictures each is known to be true of."""

    captions: list[str]
    truth: Tensor


_Loss = Callable[[Network, Vocabulary, Tensor, _Texts], dict[str, Tensor]]


def _run(
    loaded: Checkpoint,
    examples: Sequence[Example],
    settings: FinetuneSettings,
    loss_of: _Loss,
    on_step: Callable[[FinetuneStep], None] | None,
) -> Iterator[dict[str, float]]:
    """The losses of every step."""
    torch.manual_seed(settings.seed)
    network, vocabulary = loaded.network, Vocabulary(loaded.processor.tokenizer)
    network.train().requires_grad_(requires_grad=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    batches = list(_batches(examples, settings))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches) + 1)
    started = time.monotonic()
    for step, batch in enumerate(batches, start=1):
        pixels = _pixels(loaded, batch, settings.max_pixels)
        with _mixed_precision(loaded.device):
            losses = loss_of(network, vocabulary, pixels, _texts(batch, loaded.device))
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        told = {name: float(loss.detach()) for name, loss in losses.items()}
        if on_step is not None:
            left = (time.monotonic() - started) / step * (len(batches) - step)
            on_step(FinetuneStep(step, len(batches), told, left))
        yield told


def _batches(examples: Sequence[Example], settings: FinetuneSettings) -> Iterator[list[Example]]:
    """Every example once an epoch, in a new order; a rest of one joins the batch before it."""
    rng = random.Random(settings.seed)
    for _ in range(settings.epochs):
        order = rng.sample(list(examples), len(examples))
        starts = list(range(0, len(order), settings.batch_size))
        if len(order) - starts[-1] == 1 and len(starts) > 1:
            starts.pop()
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            yield order[start:end]


def _pixels(loaded: Checkpoint, batch: Sequence[Example], max_pixels: int) -> Tensor:
    size = int(loaded.network.config.vision_config.image_size)
    opened = [
        open_image(example.image, max_pixels=max_pixels, network_size=size) for example in batch
    ]
    prepared = [prepare_image(o, loaded.processor.image_processor) for o in opened]
    return torch.from_numpy(np.stack(prepared)).to(loaded.device)


def _texts(batch: Sequence[Example], device: torch.device) -> _Texts:
    truth = [
        [text.image == shown.image or text.caption == shown.caption for shown in batch]
        for text in batch
    ]
    return _Texts([example.caption for example in batch], torch.tensor(truth, device=device))


def _retrieval_losses(
    network: Network, vocabulary: Vocabulary, pixels: Tensor, texts: _Texts
) -> dict[str, Tensor]:
    """ITC, and ITM with one hard negative for every picture and every text (BLIP, section 3.2)."""
    states = encode_vision(network.vision_model, pixels)
    ids = _caption_ids(vocabulary, texts.captions, vocabulary.cls).to(pixels.device)
    told = attended_texts(network.text_encoder, ids[:, None], None)[:, 0, 0]
    text_features = normalize(network.text_proj(told).float(), dim=-1)
    image_features = normalize(network.vision_proj(states[:, 0]).float(), dim=-1)
    similarity = text_features @ image_features.T / TEMPERATURE
    losses = {"contrastive": contrastive_loss(similarity, texts.truth)}
    asked = ids.clone()
    asked[:, 0] = vocabulary.enc
    losses["matching"] = _matching_loss(network, asked, states, texts.truth, similarity.detach())
    return losses


def _matching_loss(
    network: Network, ids: Tensor, states: Tensor, truth: Tensor, similarity: Tensor
) -> Tensor:
    """Of every text with its picture, with a likely wrong picture, and every picture with a text.

    `ids` (n, length) start with [ENC]; `truth` and `similarity` are (texts, pictures).
    """
    own = torch.arange(len(ids), device=ids.device)
    texts, pictures, wanted = [own], [own], [torch.ones_like(own)]
    has_false = (~truth).any(1)
    if bool(has_false.all()) and bool((~truth).any(0).all()):
        likely = similarity.softmax(1).clamp(min=1e-6).masked_fill(truth, 0.0)
        likely_text = similarity.softmax(0).clamp(min=1e-6).masked_fill(truth, 0.0)
        texts += [own, torch.multinomial(likely_text.T, 1)[:, 0]]
        pictures += [torch.multinomial(likely, 1)[:, 0], own]
        wanted += [torch.zeros_like(own)] * 2
    asked, seen = torch.cat(texts), torch.cat(pictures)
    hidden = attended_texts(network.text_encoder, ids[asked][:, None], states[seen])[:, 0, 0]
    return cross_entropy(network.itm_head(hidden).float(), torch.cat(wanted))


def _caption_losses(
    network: Network, vocabulary: Vocabulary, pixels: Tensor, texts: _Texts
) -> dict[str, Tensor]:
    """LM of the captions, told after the prompt that captions are asked for with."""
    states = encode_vision(network.vision_model, pixels)
    prompt = vocabulary.prompt_ids(PROMPT)
    rows = [
        [*prompt, *vocabulary.caption_ids(caption, vocabulary.cls)[1:]]
        for caption in texts.captions
    ]
    ids = torch.from_numpy(pad(rows, vocabulary.pad)[0]).to(pixels.device)
    hidden = attended_texts(network.text_decoder.bert, ids[:, None], states, causal=True)
    logits = network.text_decoder.cls(hidden[:, 0])
    return {"caption": language_loss(logits, ids, skipped=len(prompt))}


_LOSSES: dict[str, _Loss] = {"itm": _retrieval_losses, "caption": _caption_losses}


def _caption_ids(vocabulary: Vocabulary, captions: Sequence[str], first: int) -> Tensor:
    rows = [vocabulary.caption_ids(caption, first) for caption in captions]
    return torch.from_numpy(pad(rows, vocabulary.pad)[0])


def _mixed_precision(device: torch.device) -> torch.autocast:
    able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def _save(network: Network, source: Path, output: Path) -> None:
    """Write the weights, and beside them what else `source` has; tied weights once."""
    output.mkdir(parents=True, exist_ok=True)
    second_names = set(network.all_tied_weights_keys)
    weights = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in network.state_dict().items()
        if name not in second_names
    }
    save_file(weights, output / "model.safetensors", metadata={"format": "pt"})
    for name in _COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, output / name)
