"""The losses."""

import torch

from blipsearch.blip.pretraining.objectives import contrastive_loss, language_loss


def test_two_texts_of_one_picture_do_not_compete() -> None:
    """A second true text, however likely, leaves the loss of the first as it is."""
    similarity = torch.tensor([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    truth = torch.tensor([[True, False], [True, False], [False, True]])
    alone = contrastive_loss(similarity[[0, 2]], truth[[0, 2]])
    torch.testing.assert_close(contrastive_loss(similarity, truth), alone, atol=5e-3, rtol=0)


def test_the_contrastive_loss_falls_as_true_pairs_come_closer() -> None:
    truth = torch.eye(4, dtype=torch.bool)
    near, far = 5.0 * torch.eye(4), torch.zeros(4, 4)
    assert contrastive_loss(near, truth) < 0.05 < contrastive_loss(far, truth)


def test_a_false_text_counts_against_a_picture_though_it_is_true_of_none() -> None:
    truth = torch.tensor([[True, False], [False, True], [False, False]])
    similarity = torch.tensor([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    tempting = similarity.clone()
    tempting[2, 0] = 2.0
    assert contrastive_loss(tempting, truth) > contrastive_loss(similarity, truth) + 0.1


def test_given_words_and_padding_are_not_learnt() -> None:
    ids = torch.tensor([[50, 7, 8, 9, 0], [50, 7, 5, 0, 0]])
    logits = torch.zeros(2, 5, 60)
    for row, position, word in ((0, 1, 8), (0, 2, 9), (1, 1, 5)):
        logits[row, position, word] = 30.0
    without_smoothing = language_loss(logits, ids, skipped=2)
    logits[:, 0] = 30.0 * torch.randn(2, 60)
    logits[:, 3:] = 30.0 * torch.randn(2, 2, 60)
    torch.testing.assert_close(language_loss(logits, ids, skipped=2), without_smoothing)
