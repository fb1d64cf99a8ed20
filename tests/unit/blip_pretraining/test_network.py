"""The network under training computes what transformers' BLIP classes compute."""

import pytest
import torch

from blipsearch.blip.pretraining.network import BlipNetwork, attended_texts, make_config
from blipsearch.blip.pretraining.recipe import Recipe

WORDS = 200


@pytest.fixture(scope="module")
def network() -> BlipNetwork:
    torch.manual_seed(0)
    recipe = Recipe(image_size=24, width=16, heads=2, vision_layers=2, intermediate=32)
    network = BlipNetwork(make_config(recipe, WORDS)).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return network


@pytest.fixture(scope="module")
def states(network: BlipNetwork) -> torch.Tensor:
    return network.image_states(torch.randn(2, 3, 24, 24)).detach()


@pytest.fixture
def texts() -> torch.Tensor:
    """Three texts about each of two pictures, one of them shorter than the rest."""
    ids = torch.randint(104, WORDS, (2, 3, 7))
    ids[1, 2, 4:] = 0
    return ids


@torch.no_grad()
def test_texts_that_share_a_picture_get_the_states_they_get_alone(
    network: BlipNetwork, states: torch.Tensor, texts: torch.Tensor
) -> None:
    together = network.encoded(texts, states)
    for picture in range(2):
        for number in range(3):
            ids = texts[picture, number : number + 1]
            alone = network.itm.text_encoder(
                input_ids=ids,
                attention_mask=(ids != 0).long(),
                encoder_hidden_states=states[picture : picture + 1],
            ).last_hidden_state
            kept = ids[0] != 0
            torch.testing.assert_close(together[picture, number][kept], alone[0][kept])


@torch.no_grad()
def test_caption_logits_are_those_of_the_decoder(
    network: BlipNetwork, states: torch.Tensor, texts: torch.Tensor
) -> None:
    ids = texts[:, 0]
    theirs = network.caption.text_decoder(input_ids=ids, encoder_hidden_states=states).logits
    torch.testing.assert_close(network.caption_logits(ids, states), theirs)


@torch.no_grad()
def test_an_answer_does_not_see_the_padding_of_its_question(
    network: BlipNetwork, states: torch.Tensor, texts: torch.Tensor
) -> None:
    question = texts[1:, 2:]
    ids = texts[1:, 0, :3]
    padded = network.encoded(question, states[1:])[:, 0]
    told = network.answer_logits(ids, padded, question[:, 0] != 0)
    alone = network.encoded(question[..., :4], states[1:])[:, 0]
    theirs = network.vqa.text_decoder(input_ids=ids, encoder_hidden_states=alone).logits
    torch.testing.assert_close(told, theirs)


def test_a_text_without_a_picture_skips_cross_attention(network: BlipNetwork) -> None:
    ids = torch.randint(104, WORDS, (2, 5))
    with torch.no_grad():
        ours = attended_texts(network.itm.text_encoder, ids[:, None], None)[:, 0]
        theirs = network.itm.text_encoder(input_ids=ids).last_hidden_state
    torch.testing.assert_close(ours, theirs)


def test_the_decoder_shares_all_but_its_self_attention_with_the_encoder(
    network: BlipNetwork,
) -> None:
    encoder = dict(network.itm.text_encoder.named_parameters())
    decoder = dict(network.caption.text_decoder.bert.named_parameters())
    own = {name for name, weight in decoder.items() if weight is not encoder[name]}
    assert own == {name for name in decoder if ".attention." in name}
    assert network.caption.vision_model is network.vqa.vision_model is network.itm.vision_model
