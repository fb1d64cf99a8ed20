"""Checkpoints that do not fit are refused with the file, the fault and what to use instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from blipsearch.blip import BlipAnswerer, BlipCaptioner, BlipRetriever
from blipsearch.blip.find import BUILTIN_DIRECTORY
from blipsearch.errors import (
    CheckpointMismatchError,
    CheckpointNotFoundError,
    CheckpointUnavailableError,
)
from blipsearch.testing import sample_images, write_tiny_checkpoint

Broken = Callable[[str], Path]
Loader = type[BlipRetriever] | type[BlipCaptioner] | type[BlipAnswerer]


def edit_config(directory: Path, **changes: Any) -> None:
    """Change keys of config.json, `text__vocab_size` for one of a section; None takes it out."""
    path = directory / "config.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        section, _, inner = key.partition("__")
        target = raw[f"{section}_config"] if inner else raw
        if value is None:
            del target[inner or key]
        else:
            target[inner or key] = value
    path.write_text(json.dumps(raw), encoding="utf-8")


def edit_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = directory / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("loader", "task", "missing"),
    [
        (BlipRetriever, "caption", "itm_head.bias"),
        (BlipRetriever, "vqa", "itm_head.bias"),
        (BlipCaptioner, "itm", "text_decoder.bert.embeddings"),
        (BlipCaptioner, "vqa", "text_encoder"),
        (BlipCaptioner, "features", "text_decoder"),
        (BlipAnswerer, "itm", "text_decoder"),
        (BlipAnswerer, "caption", "text_encoder"),
    ],
)
def test_a_checkpoint_for_another_task_is_refused(
    tiny: Path, loader: Loader, task: str, missing: str
) -> None:
    with pytest.raises(CheckpointMismatchError) as caught:
        loader.from_pretrained(str(tiny / task))
    message = str(caught.value)
    assert str(tiny / task / "model.safetensors") in message
    assert missing in message
    assert "in all)" in message
    assert "Its config calls it Blip" in message
    assert "Salesforce/blip-" in message
    assert "`builtin`" in message


@pytest.mark.parametrize(
    ("task", "key"),
    [
        ("itm", "vision_proj.weight"),
        ("itm", "text_encoder.encoder.layer.1.crossattention.self.key.bias"),
        ("features", "text_projection.weight"),
        ("features", "text_model.pooler.dense.weight"),
        ("features", "logit_scale"),
    ],
)
def test_one_missing_weight_is_enough_to_refuse(broken: Broken, task: str, key: str) -> None:
    directory = broken(task)
    edit_weights(directory, lambda weights: weights.pop(key))
    with pytest.raises(CheckpointMismatchError, match=f"missing: {key}\\."):
        BlipRetriever.from_pretrained(str(directory))


def test_one_unexpected_weight_is_enough_to_refuse(broken: Broken) -> None:
    directory = broken("itm")
    edit_weights(directory, lambda weights: weights.update(extra=torch.zeros(1)))
    with pytest.raises(CheckpointMismatchError, match="unexpected: extra"):
        BlipRetriever.from_pretrained(str(directory))


def test_counting_buffers_of_older_files_are_no_weights(broken: Broken, tiny: Path) -> None:
    directory = broken("itm")
    positions = {"text_encoder.embeddings.position_ids": torch.zeros(1, 64, dtype=torch.int64)}
    edit_weights(directory, lambda weights: weights.update(positions))
    loaded = BlipRetriever.from_pretrained(str(directory))
    whole = BlipRetriever.from_pretrained(str(tiny / "itm"))
    # The buffer in this file is wrong on purpose, and must not be used.
    assert (loaded.get_text_features(["a dog"]) == whole.get_text_features(["a dog"])).all()


OUTPUT = "text_decoder.cls.predictions"
INPUT = "text_decoder.bert.embeddings.word_embeddings.weight"


def test_tied_weights_may_be_stored_once_or_twice(broken: Broken, tiny: Path) -> None:
    images = sample_images(3)
    wanted = BlipCaptioner.from_pretrained(str(tiny / "caption")).caption(images)
    directory = broken("caption")

    def store_twice(weights: dict[str, torch.Tensor]) -> None:
        weights[f"{OUTPUT}.decoder.weight"] = weights[INPUT].clone()
        weights[f"{OUTPUT}.decoder.bias"] = weights[f"{OUTPUT}.bias"].clone()

    def keep_the_second_names(weights: dict[str, torch.Tensor]) -> None:
        del weights[INPUT], weights[f"{OUTPUT}.bias"]

    parameters = set()
    for change in (store_twice, keep_the_second_names):
        edit_weights(directory, change)
        captioner = BlipCaptioner.from_pretrained(str(directory))
        assert captioner.caption(images) == wanted
        parameters.add(captioner.description)
    assert len(parameters) == 1


def test_weights_that_the_config_does_not_tie_may_not_be_missing(broken: Broken) -> None:
    directory = broken("caption")
    edit_config(directory, tie_word_embeddings=False, text__tie_word_embeddings=False)
    with pytest.raises(CheckpointMismatchError, match=r"missing: .*decoder\.weight"):
        BlipCaptioner.from_pretrained(str(directory))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"text__num_attention_heads": None}, "text_config.num_attention_heads is missing"),
        ({"vision__num_attention_heads": None}, "vision_config.num_attention_heads is missing"),
        ({"text__hidden_size": None}, "text_config.hidden_size is missing"),
        ({"text__num_attention_heads": "12"}, "is '12'"),
        (
            {"text__hidden_size": 768, "text__num_attention_heads": 8},
            "is 8, but width 768 was trained with 12",
        ),
        (
            {"vision__hidden_size": 1024, "vision__num_attention_heads": 12},
            "is 12, but width 1024 was trained with 16",
        ),
        ({"text__num_attention_heads": 7}, "cannot be split into 7"),
    ],
)
def test_attention_heads_are_neither_guessed_nor_believed(
    broken: Broken, changes: dict[str, Any], fault: str
) -> None:
    directory = broken("itm")
    edit_config(directory, **changes)
    with pytest.raises(CheckpointMismatchError, match=r"config\.json") as caught:
        BlipRetriever.from_pretrained(str(directory))
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"text__vocab_size": 255},
            "has 254 tokens, but config.json's vocab_size of 255 needs 253",
        ),
        ({"text__vocab_size": None}, "vocab_size of None"),
        ({"text__bos_token_id": 101}, "bos_token_id is 101"),
        ({"text__bos_token_id": None}, "bos_token_id is None"),
        ({"text__sep_token_id": 103}, "sep_token_id is 103"),
        ({"text__pad_token_id": 1}, "pad_token_id is 1"),
    ],
)
def test_another_vocabulary_is_refused(broken: Broken, changes: dict[str, Any], fault: str) -> None:
    directory = broken("itm")
    edit_config(directory, **changes)
    with pytest.raises(CheckpointMismatchError) as caught:
        BlipRetriever.from_pretrained(str(directory))
    assert fault in str(caught.value)


def test_another_tokenizer_length_is_refused(broken: Broken) -> None:
    directory = broken("itm")
    words = (directory / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (directory / "vocab.txt").write_text("\n".join(words[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(CheckpointMismatchError, match="has 253 tokens") as caught:
        BlipRetriever.from_pretrained(str(directory))
    assert "vocab.txt" in str(caught.value)
    (directory / "vocab.txt").write_text("", encoding="utf-8")
    with pytest.raises(CheckpointMismatchError, match="tokenizer"):
        BlipRetriever.from_pretrained(str(directory))


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"model": 3}'])
def test_a_broken_tokenizer_is_refused(broken: Broken, content: str) -> None:
    directory = broken("itm")
    (directory / "vocab.txt").unlink()
    (directory / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointMismatchError, match="tokenizer"):
        BlipRetriever.from_pretrained(directory)


def test_a_tokenizer_that_knows_the_two_last_tokens_itself_is_refused(broken: Broken) -> None:
    directory = broken("itm")
    with (directory / "vocab.txt").open("a", encoding="utf-8") as vocabulary:
        vocabulary.write("[DEC]\n[ENC]\n")
    with pytest.raises(CheckpointMismatchError, match="has 256 tokens"):
        BlipRetriever.from_pretrained(str(directory))


def test_another_image_size_than_the_position_embeddings_is_refused(broken: Broken) -> None:
    directory = broken("itm")
    edit_config(directory, vision__image_size=64)
    with pytest.raises(CheckpointMismatchError, match="image_size is 64"):
        BlipRetriever.from_pretrained(str(directory))
    preprocessing = directory / "preprocessor_config.json"
    preprocessing.write_text(preprocessing.read_text().replace("48", "64"))
    with pytest.raises(
        CheckpointMismatchError, match=r"position_embedding is 1x10x24, not 1x17x24"
    ):
        BlipRetriever.from_pretrained(str(directory))


def test_preprocessing_that_leaves_a_step_out_is_refused(broken: Broken) -> None:
    directory = broken("itm")
    preprocessing = directory / "preprocessor_config.json"
    preprocessing.write_text(
        preprocessing.read_text().replace('"do_normalize": true', '"do_normalize": false')
    )
    with pytest.raises(CheckpointMismatchError, match="leaves out do_normalize"):
        BlipRetriever.from_pretrained(str(directory))


@pytest.mark.parametrize("temperature", [0, -1.0, "warm", True, float("inf")])
def test_a_temperature_that_is_no_positive_number_is_refused(
    broken: Broken, temperature: object
) -> None:
    directory = broken("itm")
    edit_config(directory, blipsearch_itm_temperature=temperature)
    with pytest.raises(CheckpointMismatchError, match="must be a positive number"):
        BlipRetriever.from_pretrained(str(directory))


@pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
def test_torn_weights_are_refused(broken: Broken, kept: int) -> None:
    directory = broken("itm")
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(CheckpointUnavailableError, match=r"model\.safetensors is torn"):
        BlipRetriever.from_pretrained(str(directory))


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no model.safetensors"),
        ("vocab.txt", "no vocab.txt or tokenizer.json"),
        ("preprocessor_config.json", "no preprocessor_config.json"),
    ],
)
def test_an_incomplete_directory_says_what_it_lacks(broken: Broken, gone: str, said: str) -> None:
    directory = broken("itm")
    (directory / gone).unlink()
    with pytest.raises(CheckpointUnavailableError, match=f"{directory} has {said}"):
        BlipRetriever.from_pretrained(str(directory))


def test_weights_in_a_pickle_are_refused_unread(broken: Broken) -> None:
    directory = broken("itm")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(CheckpointMismatchError, match=r"pytorch_model\.bin, a pickle"):
        BlipRetriever.from_pretrained(str(directory))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model_type": "clip"}', "\0"])
def test_a_config_of_something_else_is_refused(broken: Broken, content: str) -> None:
    directory = broken("itm")
    (directory / "config.json").write_text(content)
    with pytest.raises(
        (CheckpointMismatchError, CheckpointUnavailableError), match=r"config\.json"
    ):
        BlipRetriever.from_pretrained(str(directory))


def test_a_config_of_the_wrong_types_is_refused(broken: Broken) -> None:
    directory = broken("itm")
    edit_config(directory, text__num_hidden_layers="two")
    with pytest.raises(CheckpointMismatchError, match="does not describe a BLIP network"):
        BlipRetriever.from_pretrained(str(directory))
    edit_config(directory, text_config="none")
    with pytest.raises(CheckpointMismatchError, match="has no text_config"):
        BlipRetriever.from_pretrained(str(directory))


def test_a_directory_that_is_not_there_is_not_looked_up_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="no checkpoint directory"):
        BlipRetriever.from_pretrained(str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointNotFoundError, match="neither a directory nor a name"):
        BlipRetriever.from_pretrained("not a name")


def test_a_directory_has_no_revisions(tiny: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="has no revision 'v2'"):
        BlipRetriever.from_pretrained(str(tiny / "itm"), revision="v2")


@pytest.mark.parametrize("loader", [BlipRetriever, BlipCaptioner, BlipAnswerer])
def test_the_built_in_checkpoint_is_there_or_says_that_it_is_not(loader: Loader) -> None:
    if (BUILTIN_DIRECTORY / loader.task / "model.safetensors").is_file():
        loaded = loader.from_pretrained("builtin")
        assert loaded.identity.name == "builtin"
        assert loaded.description.startswith("builtin (")
    else:
        with pytest.raises(CheckpointNotFoundError, match="no built-in"):
            loader.from_pretrained("builtin")


def test_a_check_says_what_loading_would_without_reading_weights(
    tiny: Path, broken: Broken
) -> None:
    BlipCaptioner.check(tiny / "caption")
    for wrong, loader in ((tiny / "itm", BlipCaptioner), (tiny / "vqa", BlipRetriever)):
        with pytest.raises(CheckpointMismatchError) as loading:
            loader.from_pretrained(wrong)
        with pytest.raises(CheckpointMismatchError) as checking:
            loader.check(wrong)
        assert str(checking.value) == str(loading.value)
    directory = broken("caption")
    (directory / "vocab.txt").unlink()
    with pytest.raises(CheckpointUnavailableError):
        BlipCaptioner.check(directory)


@pytest.mark.parametrize("task", ["itm", "caption", "vqa", "features"])
def test_loading_and_running_says_nothing(
    tiny: Path, task: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither transformers' load reports nor its deprecations; logging is left as it was."""
    images = sample_images(2)
    if task == "caption":
        BlipCaptioner.from_pretrained(str(tiny / task)).caption(images)
    elif task == "vqa":
        BlipAnswerer.from_pretrained(str(tiny / task)).answer(images, "where?", num_beams=1)
    else:
        BlipRetriever.from_pretrained(str(tiny / task)).get_text_features(["a dog"])
    assert capfd.readouterr() == ("", "")


def test_a_config_as_the_hub_wrote_it_in_2022_loads(
    broken: Broken, tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The released files carry every default of the transformers of their day."""
    images = sample_images(3)
    wanted = BlipCaptioner.from_pretrained(str(tiny / "caption")).caption(images)
    directory = broken("caption")
    left_over: dict[str, Any] = {
        "_name_or_path": "",
        "architectures": [],
        "chunk_size_feed_forward": 0,
        "decoder_start_token_id": 1,
        "do_sample": True,
        "early_stopping": True,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
        "length_penalty": 2.0,
        "max_length": 7,
        "min_length": 0,
        "no_repeat_ngram_size": 2,
        "num_beam_groups": 1,
        "num_beams": 5,
        "num_return_sequences": 1,
        "output_attentions": False,
        "pruned_heads": {},
        "repetition_penalty": 1.5,
        "temperature": 0.7,
        "tf_legacy_loss": False,
        "tie_encoder_decoder": False,
        "top_k": 50,
        "torch_dtype": "float16",
        "torchscript": False,
        "transformers_version": "4.26.0.dev0",
        "use_bfloat16": False,
    }
    sections = {
        f"{part}__{key}": value for part in ("text", "vision") for key, value in left_over.items()
    }
    edit_config(directory, torch_dtype="float32", _commit_hash="", **sections)
    edit_config(directory, text__encoder_hidden_size=None, text__label_smoothing=None)
    assert BlipCaptioner.from_pretrained(str(directory)).caption(images) == wanted
    assert capfd.readouterr() == ("", "")


def test_a_processor_saved_by_a_newer_transformers_loads(tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path, "itm")
    loaded = BlipRetriever.from_pretrained(str(directory))
    for path in (directory / "preprocessor_config.json", directory / "vocab.txt"):
        path.unlink()
    loaded._checkpoint.processor.save_pretrained(str(directory))
    assert (directory / "processor_config.json").is_file()
    again = BlipRetriever.from_pretrained(str(directory))
    images = sample_images(2)
    assert (again.get_image_features(images) == loaded.get_image_features(images)).all()
