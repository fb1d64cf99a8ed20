"""Fine-tuning on a user's own pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blipsearch.blip import BlipCaptioner, BlipRetriever
from blipsearch.blip.pretraining.examples import Example
from blipsearch.blip.pretraining.finetune import (
    FinetuneSettings,
    FinetuneStep,
    finetune,
)
from blipsearch.errors import (
    CheckpointMismatchError,
    ImageUnreadableError,
    SourceError,
)
from blipsearch.picturebook import grammar
from blipsearch.picturebook.render import render
from blipsearch.picturebook.scene import draw_scene

EXAMPLES = 20
BRIEF = FinetuneSettings(epochs=1, batch_size=2, device="cpu")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Pictures, each with the caption of quite another one: nothing known helps, only learning."""
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for seed in range(EXAMPLES):
        path = folder / f"{seed}.png"
        render(draw_scene(seed), 96).save(path)
        made.append(Example(path, grammar.full_caption(draw_scene(1000 + seed))))
    return made


def _found(checkpoint: str, examples: list[Example]) -> tuple[float, float]:
    """The share of captions that find their picture by cosine, and after ITM."""
    retriever = BlipRetriever.from_pretrained(checkpoint)
    encoded = retriever.encode_images([Image.open(example.image) for example in examples])
    cosines = retriever.get_text_features([e.caption for e in examples]) @ encoded.features.T
    match = np.array([retriever.match(e.caption, encoded.states)[:, 1] for e in examples])
    own = np.arange(len(examples))
    by_cosine = float((cosines.argmax(1) == own).mean())
    return by_cosine, float(((match + cosines).argmax(1) == own).mean())


def test_a_few_steps_overfit_twenty_pictures(examples: list[Example], tmp_path: Path) -> None:
    settings = FinetuneSettings(epochs=40, batch_size=EXAMPLES, learning_rate=2e-3, device="cpu")
    before = _found("builtin", examples)
    report = finetune("builtin", examples, tmp_path / "mine", settings)
    after = _found(str(tmp_path / "mine"), examples)
    assert max(before) < 0.3
    assert min(after) > 0.9
    assert report.steps == 40
    assert report.last_losses["matching"] < 0.2 < report.first_losses["matching"]


def test_a_captioning_checkpoint_learns_its_captions_by_heart(
    examples: list[Example], tmp_path: Path
) -> None:
    settings = FinetuneSettings(epochs=40, batch_size=EXAMPLES, learning_rate=2e-3, device="cpu")
    report = finetune("builtin", examples, tmp_path / "mine", settings, task="caption")
    captioner = BlipCaptioner.from_pretrained(str(tmp_path / "mine"))
    told = captioner.caption([Image.open(e.image) for e in examples], max_length=35)
    wanted = [f"a picture of {example.caption}" for example in examples]
    assert sum(a == b for a, b in zip(told, wanted, strict=True)) > 0.8 * EXAMPLES
    assert report.last_losses["caption"] < report.first_losses["caption"] / 3


def test_progress_names_the_step_and_the_losses(
    golden: Path, examples: list[Example], tmp_path: Path
) -> None:
    steps: list[FinetuneStep] = []
    finetune(str(golden / "itm"), examples[:5], tmp_path, BRIEF, on_step=steps.append)
    assert [(s.step, s.steps) for s in steps] == [(1, 2), (2, 2)]
    assert set(steps[0].losses) == {"contrastive", "matching"}


def test_the_result_can_be_trained_on(
    golden: Path, examples: list[Example], tmp_path: Path
) -> None:
    finetune(str(golden / "itm"), examples[:4], tmp_path / "once", BRIEF)
    report = finetune(str(tmp_path / "once"), examples[:4], tmp_path / "twice", BRIEF)
    assert BlipRetriever.from_pretrained(str(report.output)).dim == 16


def test_two_captions_of_one_picture_are_never_each_others_negatives(
    golden: Path, examples: list[Example], tmp_path: Path
) -> None:
    """A batch of nothing but true pairs has no negatives, and trains all the same."""
    one = [Example(examples[0].image, caption) for caption in ("a car", "a red car")]
    report = finetune(str(golden / "itm"), one, tmp_path, BRIEF)
    assert report.first_losses["contrastive"] == 0


def test_an_answering_checkpoint_is_refused(examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match="task 'itm' or 'caption'"):
        finetune("builtin", examples, tmp_path, BRIEF, task="vqa")


def test_one_example_is_too_few(examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="at least two examples"):
        finetune("builtin", examples[:1], tmp_path, BRIEF)


def test_a_picture_that_cannot_be_read_ends_the_run(
    golden: Path, examples: list[Example], tmp_path: Path
) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG torn")
    bad = [examples[0], Example(tmp_path / "torn.png", "a car")]
    with pytest.raises(ImageUnreadableError):
        finetune(str(golden / "itm"), bad, tmp_path / "out", BRIEF)
