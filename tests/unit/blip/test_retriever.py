"""BlipRetriever: embeddings and matches, whatever the batch, the dtype and the vocabulary."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BlipForImageTextRetrieval

from blipsearch.blip import BlipRetriever, retriever
from blipsearch.errors import CheckpointMismatchError, ShapeError
from blipsearch.testing import sample_images

TEXTS = ["a dog", "a small red car near the white house", "boats", "", "two trees. " * 20]


@pytest.fixture(scope="module")
def blip(tiny: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(str(tiny / "itm"))


def test_it_says_what_it_is(blip: BlipRetriever, tiny: Path) -> None:
    assert blip.description == "itm (0.1 M parameters) on cpu, float32"
    assert (blip.device, blip.dtype, blip.image_size) == ("cpu", "float32", 48)
    assert (blip.dim, blip.tokens, blip.width, blip.has_itm) == (16, 10, 24, True)
    identity = blip.identity
    assert (identity.name, identity.revision, identity.dim) == (str(tiny / "itm"), "", 16)
    assert identity.preprocessing["size"] == 48
    assert identity.preprocessing["resample"] == "bicubic"


def test_the_fingerprint_follows_weights_and_config_and_nothing_else(
    tiny: Path, tmp_path: Path, blip: BlipRetriever
) -> None:
    for name in ("config.json", "model.safetensors"):
        other = tmp_path / name
        other.mkdir()
        for path in (tiny / "itm").iterdir():
            (other / path.name).write_bytes(path.read_bytes())
        same = BlipRetriever.from_pretrained(str(other)).identity.fingerprint
        assert same == blip.identity.fingerprint
        content = bytearray((other / name).read_bytes())
        if name == "config.json":
            content += b"\n"
        else:
            content[-1] ^= 1
        (other / name).write_bytes(content)
        changed = BlipRetriever.from_pretrained(str(other)).identity.fingerprint
        assert changed != blip.identity.fingerprint


def test_features_are_unit_rows(either: Path) -> None:
    blip = BlipRetriever.from_pretrained(str(either / "itm"))
    for features in (blip.get_image_features(sample_images(3)), blip.get_text_features(TEXTS)):
        assert features.dtype == np.float32
        assert features.shape[1] == blip.dim
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)


def test_a_text_embeds_the_same_alone_and_among_longer_ones(either: Path) -> None:
    blip = BlipRetriever.from_pretrained(str(either / "itm"))
    together = blip.get_text_features(TEXTS)
    alone = np.concatenate([blip.get_text_features([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_more_images_and_texts_than_a_batch_keep_their_order(blip: BlipRetriever) -> None:
    images = sample_images(35)
    features = blip.get_image_features(images)
    np.testing.assert_allclose(features[30:31], blip.get_image_features(images[30:31]), atol=1e-5)
    texts = [f"{number} boats" for number in range(130)]
    embedded = blip.get_text_features(texts)
    np.testing.assert_allclose(embedded[129:], blip.get_text_features(texts[129:]), atol=1e-5)


def test_the_text_tower_is_the_trained_one(either: Path) -> None:
    """Against transformers' own forward: ITC with [CLS], ITM with [ENC] put in by hand."""
    blip = BlipRetriever.from_pretrained(str(either / "itm"))
    images = sample_images(2)
    pixels = torch.tensor(np.stack([blip.prepare(image) for image in images]))
    network: BlipForImageTextRetrieval = blip._network
    ids = blip._vocabulary.caption_ids("a red boat", blip._vocabulary.cls)
    with torch.inference_mode():
        itc = network(torch.tensor([ids]), pixels, use_itm_head=False).itm_score
        matched = torch.tensor([[network.config.text_config.vocab_size - 1, *ids[1:]]] * 2)
        itm = network(matched, pixels, use_itm_head=True).itm_score
    cosines = blip.get_image_features(images) @ blip.get_text_features(["a red boat"]).T
    np.testing.assert_allclose(cosines, itc.numpy(), rtol=0, atol=1e-5)
    logits = blip.match("a red boat", blip.encode_images(images).states)
    np.testing.assert_allclose(logits, itm.numpy(), rtol=0, atol=1e-5)


def test_matching_in_batches_equals_matching_at_once(
    blip: BlipRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = blip.encode_images(sample_images(7)).states
    at_once = blip.match("a dog", states)
    monkeypatch.setitem(retriever.MATCH_BYTES, "cpu", 2 * states[0].nbytes)
    np.testing.assert_allclose(blip.match("a dog", states), at_once, rtol=0, atol=1e-5)


def test_states_may_be_read_only_half_precision_and_strided(blip: BlipRetriever) -> None:
    states = blip.encode_images(sample_images(4)).states
    wanted = blip.match("a dog", states)[::2]
    stored = states.astype(np.float16)
    stored.setflags(write=False)
    before = stored.copy()
    np.testing.assert_allclose(blip.match("a dog", stored[::2]), wanted, rtol=0, atol=2e-2)
    np.testing.assert_allclose(blip.match("a dog", states[::-1])[::-1][::2], wanted, atol=1e-5)
    assert np.array_equal(stored, before)


def test_nothing_in_gives_nothing_out(blip: BlipRetriever) -> None:
    assert blip.get_image_features([]).shape == (0, 16)
    assert blip.get_text_features([]).shape == (0, 16)
    encoded = blip.encode_images([])
    assert encoded.states.shape == (0, 10, 24)
    assert blip.match("a dog", encoded.states).shape == (0, 2)


def test_arrays_of_another_shape_are_refused(blip: BlipRetriever) -> None:
    with pytest.raises(ShapeError, match=r"\(n, 10, 24\), not \(2, 10, 23\)"):
        blip.match("a dog", np.zeros((2, 10, 23), np.float32))
    with pytest.raises(ShapeError, match="float64"):
        blip.match("a dog", np.zeros((2, 10, 24), np.float64))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"\(n, 3, 48, 48\)"):
        blip.encode_prepared(np.zeros((1, 3, 32, 32), np.float32))
    with pytest.raises(ShapeError, match=r"\(n, 2\)"):
        blip.match_probability(np.zeros(2, np.float32))
    with pytest.raises(ShapeError, match="not one str"):
        blip.get_text_features("a dog")


def test_the_probability_is_the_softmax_and_never_overflows(blip: BlipRetriever) -> None:
    logits = np.array([[0.5, 1.5], [1e6, -1e6], [-1e6, 1e6], [0, 0]], np.float32)
    wanted = [1 / (1 + np.exp(-1.0)), 0.0, 1.0, 0.5]
    np.testing.assert_allclose(blip.match_probability(logits), wanted, atol=1e-6)
    assert blip.match_probability(logits).dtype == np.float32


def test_the_probability_honours_the_checkpoints_temperature(tiny: Path, tmp_path: Path) -> None:
    for path in (tiny / "itm").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(
        config.replace("{", '{"blipsearch_itm_temperature": 2.5,', 1)
    )
    blip = BlipRetriever.from_pretrained(str(tmp_path))
    assert blip.match_probability(np.array([[0, 2.5]], np.float32)) == pytest.approx(
        1 / (1 + np.exp(-1.0))
    )


def test_threads_may_share_one(blip: BlipRetriever) -> None:
    images = sample_images(8)
    states = blip.encode_images(images).states
    wanted = [blip.match(text, states) for text in TEXTS]
    features = blip.get_text_features(TEXTS)

    def work(number: int) -> bool:
        which = number % len(TEXTS)
        matched = blip.match(TEXTS[which], states)
        embedded = blip.get_text_features(TEXTS)
        encoded = blip.encode_images(images[:2]).states
        return (
            np.allclose(matched, wanted[which], atol=1e-5)
            and np.allclose(embedded, features, atol=1e-5)
            and np.allclose(encoded, states[:2], atol=1e-5)
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(40)))


def test_a_plain_blip_model_embeds_through_its_own_projections(either: Path) -> None:
    blip = BlipRetriever.from_pretrained(str(either / "features"))
    images = sample_images(3)
    assert (blip.has_itm, blip.dim) == (False, 16)
    pixels = torch.tensor(np.stack([blip.prepare(image) for image in images]))
    rows = [blip._vocabulary.caption_ids(text, 101) for text in ("a dog", "a cat")]
    with torch.inference_mode():
        output = blip._network(input_ids=torch.tensor(rows), pixel_values=pixels)
    np.testing.assert_allclose(
        blip.get_image_features(images), output.image_embeds.numpy(), rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(
        blip.get_text_features(["a dog", "a cat"]), output.text_embeds.numpy(), rtol=0, atol=1e-5
    )
    encoded = blip.encode_images(images)
    np.testing.assert_allclose(encoded.features, output.image_embeds.numpy(), atol=1e-5)
    assert encoded.states.shape == (3, 10, 24)


def test_a_plain_blip_model_says_that_it_cannot_match(tiny: Path) -> None:
    blip = BlipRetriever.from_pretrained(str(tiny / "features"))
    with pytest.raises(CheckpointMismatchError, match=r"no ITM head.*blip-itm-base-coco"):
        blip.match("a dog", np.zeros((1, 10, 24), np.float32))
