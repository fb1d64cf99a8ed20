"""Tiny checkpoints and sample images: what other tests stand on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from blipsearch.blip import BlipRetriever
from blipsearch.errors import ShapeError
from blipsearch.testing import (
    HUB_VOCABULARY,
    sample_image,
    sample_images,
    write_sample_images,
    write_tiny_checkpoint,
)


def test_the_same_seed_writes_the_same_weights(tmp_path: Path) -> None:
    first, same, other = (
        write_tiny_checkpoint(tmp_path / str(number), "itm", seed=seed)
        for number, seed in enumerate((1, 1, 2))
    )
    weights = (first / "model.safetensors").read_bytes()
    assert (same / "model.safetensors").read_bytes() == weights
    assert (other / "model.safetensors").read_bytes() != weights


@pytest.mark.parametrize("task", ["itm", "caption", "vqa", "features"])
def test_every_parameter_is_random(tmp_path: Path, task: str) -> None:
    directory = write_tiny_checkpoint(tmp_path, task)  # type: ignore[arg-type]
    weights = load_file(directory / "model.safetensors")
    constant = [key for key, value in weights.items() if value.numel() > 1 and value.std() < 1e-3]
    assert constant == []


def test_the_hubs_vocabulary_has_its_size_and_special_tokens(tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path, "itm", vocab_size=HUB_VOCABULARY)
    words = (directory / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert len(words) == len(set(words)) == 30522
    assert [words[place] for place in (0, 100, 101, 102)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = BlipRetriever.from_pretrained(str(directory))._vocabulary
    assert (vocabulary.dec, vocabulary.enc) == (30522, 30523)


def test_images_and_texts_are_told_apart(tmp_path: Path) -> None:
    blip = BlipRetriever.from_pretrained(str(write_tiny_checkpoint(tmp_path, "itm")))
    encoded = blip.encode_images(sample_images(6))
    cosines = encoded.features @ encoded.features.T
    assert cosines[~np.eye(6, dtype=bool)].max() < 0.99
    logits = np.stack([blip.match(text, encoded.states) for text in ("a dog", "two red boats")])
    assert np.abs(np.diff(logits[..., 1], axis=0)).max() > 0.01


def test_sizes_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="multiple of 16"):
        write_tiny_checkpoint(tmp_path, "itm", image_size=50)
    with pytest.raises(ShapeError, match="vocab_size must be at least"):
        write_tiny_checkpoint(tmp_path, "itm", vocab_size=100)


def test_sample_images_are_repeatable_and_unlike(tmp_path: Path) -> None:
    assert sample_image(3).tobytes() == sample_image(3).tobytes()
    pictures = sample_images(12, seed=5)
    assert len({picture.tobytes() for picture in pictures}) == 12
    paths = write_sample_images(tmp_path / "pictures", 3)
    assert [path.name for path in paths] == ["000.png", "001.png", "002.png"]
