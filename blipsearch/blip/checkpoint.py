"""Loading a checkpoint: found, checked against its task, and only then let into memory."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from PIL import Image
from safetensors import safe_open
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipForQuestionAnswering,
    BlipModel,
    BlipProcessor,
    GenerationConfig,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from blipsearch.blip import check
from blipsearch.blip.device import choose_device, choose_dtype, dtype_name
from blipsearch.blip.find import CheckpointFiles, Task, find_checkpoint
from blipsearch.blip.untyped import Network, NetworkClass, Processor
from blipsearch.errors import CheckpointMismatchError
from blipsearch.records import CheckpointIdentity

__all__ = ["Checkpoint", "check_checkpoint", "load_checkpoint", "quiet"]

VISION_EPS = 1e-6
"""The original's layer_norm_eps of the vision tower (models/vit.py); the Hub's configs say 1e-5."""

NETWORKS: dict[Task, NetworkClass] = {
    "itm": BlipForImageTextRetrieval,
    "caption": BlipForConditionalGeneration,
    "vqa": BlipForQuestionAnswering,
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network in memory that holds exactly its file's weights, and what goes with it.

    `network` is transformers' BLIP class for the task, in eval mode, without gradients;
    `processor` its BlipProcessor; `temperature` what ITM logits are divided by before a
    probability is read.
    """

    network: Network
    processor: Processor
    identity: CheckpointIdentity
    device: torch.device
    dtype: torch.dtype
    temperature: float

    @property
    def description(self) -> str:
        """One line for a person: which checkpoint, how large, where, in what dtype."""
        millions = sum(weight.numel() for weight in self.network.parameters()) / 1e6
        short = self.identity.name.rstrip("/").rsplit("/", 1)[-1]
        return f"{short} ({millions:.1f} M parameters) on {self.device}, {dtype_name(self.dtype)}"


def load_checkpoint(
    name: str, task: Task, *, device: str, dtype: str, revision: str | None = None
) -> Checkpoint:
    """Load the checkpoint of that name for a task, after everything about it has been checked.

    Raises DeviceError, CheckpointNotFoundError, CheckpointUnavailableError or
    CheckpointMismatchError; nothing is ever loaded with random weights.
    """
    chosen_device = choose_device(device)
    chosen_dtype = choose_dtype(dtype, chosen_device)
    files = find_checkpoint(name, task, revision=revision)
    raw = check.read_config(files)
    check.check_config(files, raw, task)
    temperature = check.itm_temperature(files, raw)
    processor = _load_processor(files, raw)
    network = _load_network(files, raw, task, chosen_dtype)
    return Checkpoint(
        network=network.to(chosen_device),
        processor=processor,
        identity=_identify(files, network, processor),
        device=chosen_device,
        dtype=chosen_dtype,
        temperature=temperature,
    )


def check_checkpoint(name: str, task: Task, *, revision: str | None = None) -> None:
    """Raise what `load_checkpoint` would of a checkpoint, but leave its weights where they are."""
    files = find_checkpoint(name, task, revision=revision)
    raw = check.read_config(files)
    check.check_config(files, raw, task)
    _load_processor(files, raw)
    found = _shapes(files, task)
    _check_fit(files, raw, _build_empty(files, raw, _choose_network(task, found)), found, task)


def _load_processor(files: CheckpointFiles, raw: Mapping[str, Any]) -> Processor:
    try:
        tokenizer = BertTokenizer.from_pretrained(str(files.directory), local_files_only=True)
        pixels = BlipImageProcessorPil.from_pretrained(str(files.directory), local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointMismatchError(
            f"{files.directory}: the tokenizer or image processor cannot be read ({error}); copy "
            "vocab.txt, tokenizer_config.json and preprocessor_config.json from the checkpoint's "
            "own repository"
        ) from error
    check.check_tokenizer(files, tokenizer, raw)
    check.check_pixels(files, pixels, raw["vision_config"].get("image_size"))
    return BlipProcessor(pixels, tokenizer)


def _load_network(
    files: CheckpointFiles, raw: Mapping[str, Any], task: Task, dtype: torch.dtype
) -> Network:
    found = _shapes(files, task)
    network = _build_empty(files, raw, _choose_network(task, found))
    missing = _check_fit(files, raw, network, found, task)
    with safe_open(files.weights, framework="pt") as weights:
        # A copy, because a mapped file that is replaced under a running process would end it.
        state = {key: weights.get_tensor(key).to(dtype, copy=True) for key in found}
    network.load_state_dict(state, strict=False, assign=True)
    with quiet():
        network.tie_weights(missing_keys=missing, recompute_mapping=False)
    for module in network.modules():
        positions = getattr(module, "position_ids", None)
        if isinstance(positions, torch.Tensor):
            module.position_ids = torch.arange(positions.shape[-1]).expand((1, -1))
    if hasattr(network, "text_decoder"):
        # What the config says about decoding is left over from transformers' defaults of 2022.
        network.text_decoder.generation_config = GenerationConfig()
    return network.eval().requires_grad_(requires_grad=False)


def _shapes(files: CheckpointFiles, task: Task) -> dict[str, tuple[int, ...]]:
    return {
        key: shape
        for key, shape in check.read_shapes(files, task).items()
        # Older files also store this counting buffer, 0, 1, 2, ...; it is not a weight.
        if not key.endswith(".position_ids")
    }


def _choose_network(task: Task, found: check.Shapes) -> NetworkClass:
    if task == "itm" and any(key.startswith(("text_model.", "visual_projection")) for key in found):
        return BlipModel
    return NETWORKS[task]


def _build_empty(
    files: CheckpointFiles, raw: Mapping[str, Any], network_class: NetworkClass
) -> Network:
    """Build the network without memory for weights, so that none can keep random values."""
    vision = {**raw["vision_config"], "layer_norm_eps": VISION_EPS}
    try:
        config = BlipConfig.from_dict({**raw, "vision_config": vision})
        with torch.device("meta"), quiet():
            return network_class(config)
    except (StrictDataclassError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise CheckpointMismatchError(
            f"{files.config} does not describe a BLIP network: {error}"
        ) from error


def _check_fit(
    files: CheckpointFiles,
    raw: Mapping[str, Any],
    network: Network,
    found: check.Shapes,
    task: Task,
) -> set[str]:
    """Check the weights against the class's own; return those under another's name in the file."""
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    second_names = {
        missing
        for pair in network.all_tied_weights_keys.items()
        for missing, present in (pair, pair[::-1])
        if missing not in found and present in found
    }
    needed = {key: shape for key, shape in wanted.items() if key not in second_names}
    check.check_weights(files, raw, found, needed, task)
    return second_names


def _identify(files: CheckpointFiles, network: Network, processor: Processor) -> CheckpointIdentity:
    digest = hashlib.sha256()
    for path in (files.config, files.weights):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    pixels = processor.image_processor
    return CheckpointIdentity(
        name=files.name,
        revision=files.revision,
        fingerprint=digest.hexdigest(),
        dim=_embedding_dim(network),
        preprocessing={
            "size": pixels.size.height,
            "mean": list(pixels.image_mean),
            "std": list(pixels.image_std),
            "resample": Image.Resampling(pixels.resample).name.lower(),
        },
    )


def _embedding_dim(network: Network) -> int:
    """Return the length of an embedding, 0 for a network that makes none."""
    for name in ("vision_proj", "visual_projection"):
        projection = getattr(network, name, None)
        if projection is not None:
            return int(projection.out_features)
    return 0


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back transformers' warnings about things that are checked here, for this block only."""
    sources = [
        logging.getLogger(f"transformers.{name}")
        for name in ("modeling_utils", "models.blip.modeling_blip")
    ]

    def hold_back(_record: logging.LogRecord) -> bool:
        return False

    for source in sources:
        source.addFilter(hold_back)
    try:
        yield
    finally:
        for source in sources:
            source.removeFilter(hold_back)
