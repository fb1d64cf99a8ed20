"""`blipsearch caption` and `blipsearch ask` with real tiny checkpoints."""

import json
from pathlib import Path

import pytest
import torch

from tests.support import Command


def test_captions_equal_those_of_the_original_code(blipsearch: Command, golden: Path) -> None:
    expected = json.loads((golden / "expected.json").read_text())
    images = [golden / name for name in expected["images"]]

    finished = blipsearch(
        "caption", *images, "--checkpoint", golden / "caption", "--beams", 1, "--device", "cpu"
    )

    captions = expected["caption_greedy_max20_min5"]["a picture of "]["text"]
    lines = [f"{image}\t{caption}" for image, caption in zip(images, captions, strict=True)]
    assert finished.code == 0
    assert finished.out.splitlines() == lines


def test_a_question_is_answered_for_every_image(blipsearch: Command, golden: Path) -> None:
    images = sorted((golden / "images").glob("*.png"))

    answered = blipsearch(
        "ask",
        *images,
        "--question",
        "what color is the car?",
        "--choice",
        "tree",
        "--choice",
        "black dog",
        "--checkpoint",
        golden / "vqa",
        "--json",
    ).json

    assert [row["path"] for row in answered["answers"]] == [str(image) for image in images]
    assert {row["answer"] for row in answered["answers"]} <= {"tree", "black dog"}
    assert answered["failed"] == []


def test_an_unreadable_image_is_reported_and_the_others_are_captioned(
    blipsearch: Command, golden: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture at all")
    good = golden / "images" / "0.png"

    finished = blipsearch(
        "caption", bad, good, "--checkpoint", golden / "caption", "--beams", 1, "--json"
    )

    assert finished.code == 3
    assert [row["path"] for row in finished.json["captions"]] == [str(good)]
    assert [row["path"] for row in finished.json["failed"]] == [str(bad)]
    assert "not an image" in finished.json["failed"][0]["reason"]


def test_a_retrieval_checkpoint_is_refused_for_captions(blipsearch: Command, golden: Path) -> None:
    finished = blipsearch("caption", golden / "images" / "0.png", "--checkpoint", golden / "itm")

    assert finished.code == 1
    assert "model.safetensors" in finished.err
    assert "Salesforce/blip-image-captioning-base" in finished.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_an_error_and_no_silent_cpu_run(
    blipsearch: Command, golden: Path
) -> None:
    finished = blipsearch(
        "caption",
        golden / "images" / "0.png",
        "--checkpoint",
        golden / "caption",
        "--device",
        "cuda",
    )
    assert finished.code == 1
    assert "cuda" in finished.err
