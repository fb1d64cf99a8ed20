"""A whole run, very short."""

import json
import logging
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from blipsearch.blip import BlipAnswerer, BlipCaptioner, BlipRetriever
from blipsearch.blip.pretraining import training
from blipsearch.blip.pretraining.evaluation import Evaluator, related_scenes
from blipsearch.blip.pretraining.recipe import Recipe
from blipsearch.blip.pretraining.training import Run, train
from blipsearch.picturebook.render import render

RECIPE = Recipe(
    image_size=32,
    patch_size=16,
    width=16,
    heads=2,
    vision_layers=1,
    text_layers=1,
    intermediate=16,
    feature_width=8,
    steps=6,
    warmup_share=0.4,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "EVALUATED", (("new_scenes", 12), ("new_combinations", 4)))
        run = Run(tmp_path_factory.mktemp("work"), groups=2)
        train(RECIPE, run)
    return run


@pytest.fixture(scope="module")
def figures(run: Run) -> dict[str, float]:
    lines = [json.loads(line) for line in (run.work / "log.jsonl").read_text().splitlines()]
    known: dict[str, float] = lines[-1]["figures"]
    return known


def test_a_run_leaves_checkpoints_that_open_and_work(run: Run) -> None:
    pictures = [render(scene, 32) for scene in related_scenes("new_scenes", 2, 1)]
    checkpoint = run.work / "checkpoint"
    retriever = BlipRetriever.from_pretrained(str(checkpoint / "itm"))
    encoded = retriever.encode_images(pictures)
    assert retriever.match("a red car", encoded.states).shape == (2, 2)
    captioner = BlipCaptioner.from_pretrained(str(checkpoint / "caption"))
    assert all(c.startswith("a picture of") for c in captioner.caption_states(encoded.states))
    answerer = BlipAnswerer.from_pretrained(str(checkpoint / "vqa"))
    assert len(answerer.answer_states(encoded.states, "what color is the car")) == 2


def test_the_three_checkpoints_have_one_vision_tower(run: Run) -> None:
    weights = [
        load_file(run.work / "checkpoint" / name / "model.safetensors")
        for name in ("itm", "caption", "vqa")
    ]
    seen = [name for name in weights[0] if name.startswith("vision_model.")]
    assert seen
    for name in seen:
        assert torch.equal(weights[0][name], weights[1][name])
        assert torch.equal(weights[0][name], weights[2][name])


def test_a_run_measures_itself_on_both_kinds_of_new_scenes(figures: dict[str, float]) -> None:
    for split in ("new_scenes", "new_combinations"):
        assert 0 <= figures[f"{split} R@1"] <= figures[f"{split} R@10"] <= 1
        assert f"{split} twins by relation" in figures
        assert f"{split} true captions" in figures


def test_a_run_goes_on_where_it_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(training, "EVALUATED", (("new_scenes", 4),))
    caplog.set_level(logging.INFO)
    train(replace(RECIPE, steps=8), run)
    assert "resumed at step 6" in caplog.text
    last = json.loads((run.work / "log.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 8


def test_the_same_seed_starts_from_the_same_weights(run: Run) -> None:
    tokens = (run.work / "tokenizer" / "vocab.txt").read_text().splitlines()
    first, second = (training.Trainer(RECIPE, run, tokens) for _ in range(2))
    for ours, theirs in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_shown_pairs_are_a_few_hits_a_query_and_some_are_true(run: Run) -> None:
    tokens = (run.work / "tokenizer" / "vocab.txt").read_text().splitlines()
    trainer = training.Trainer(RECIPE, run, tokens)
    scenes = related_scenes("new_scenes", 12, 3)
    margins, truth = Evaluator(scenes, 32, trainer.tokenizer).shown_pairs(trainer.averaged)
    assert margins.shape == truth.shape == (120,)
    assert 1 <= truth.sum() <= 12
