"""BLIP's objectives on one group of pictures and texts: ITC, ITM, captions and answers."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from blipsearch.blip.pretraining.batches import Batch
from blipsearch.blip.pretraining.dense import DenseHeads
from blipsearch.blip.pretraining.network import BlipNetwork

__all__ = ["Objectives", "contrastive_loss", "language_loss"]

QUESTIONS_SEEN = 3


def contrastive_loss(similarity: Tensor, truth: Tensor) -> Tensor:
    """Image-text contrastive loss of `similarity` (texts, n), already divided by the temperature.

    Every pair with `truth` (texts, n) is a positive. Each is weighed against the negatives of its
    row and of its column only, so that two true pairs never push each other away.
    """
    return (_one_way(similarity, truth) + _one_way(similarity.T, truth.T)) / 2


def _one_way(similarity: Tensor, truth: Tensor) -> Tensor:
    others = similarity.masked_fill(truth, float("-inf")).logsumexp(1, keepdim=True)
    each = torch.logaddexp(similarity, others) - similarity
    count = truth.sum(1)
    rows = (each.masked_fill(~truth, 0.0)).sum(1) / count.clamp(min=1)
    return rows.sum() / (count > 0).sum().clamp(min=1)


def language_loss(logits: Tensor, ids: Tensor, skipped: int = 1) -> Tensor:
    """Next-word loss of `logits` (n, length, words) for `ids` (n, length), padded with 0.

    The first `skipped` tokens are given, not told.
    """
    wanted = ids[:, skipped:].reshape(-1)
    told = logits[:, skipped - 1 : -1].flatten(0, 1).float()
    return cross_entropy(told, wanted, ignore_index=0, label_smoothing=0.02)


class Objectives:
    """Computes the losses of a batch; `prompt` is what captions start with, as token numbers."""

    def __init__(self, network: BlipNetwork, dense: DenseHeads, prompt: Tensor) -> None:
        self.network = network
        self.dense = dense
        self.prompt = prompt
        vocabulary = network.itm.config.text_config.bos_token_id
        self._decode, self._encode = vocabulary, vocabulary + 1

    def seeing(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of the vision tower alone."""
        states = self.network.image_states(batch.pixels)
        return {"dense": self.dense(states, batch.patches, batch.settings)}

    def all(self, batch: Batch) -> dict[str, Tensor]:
        """Every loss of the joint phase by name."""
        states = self.network.image_states(batch.pixels)
        features = self.network.image_features(states)
        similarity = self._similarity(batch, features)
        return {
            "dense": self.dense(states, batch.patches, batch.settings),
            "contrastive": contrastive_loss(similarity, batch.truth),
            "matching": self._matching_loss(batch, states, similarity.detach()),
            "caption": self._caption_loss(batch, states),
            "answer": self._answer_loss(batch, states),
        }

    def _similarity(self, batch: Batch, features: Tensor) -> Tensor:
        """Scaled cosines (texts, n)."""
        texts = self.network.text_features(batch.texts)
        scale = (-self.network.log_temperature).exp().clamp(max=100.0)
        return scale * texts @ features.T

    def _matching_loss(self, batch: Batch, states: Tensor, similarity: Tensor) -> Tensor:
        chosen = _texts_to_match(batch, similarity)
        ids = _started(batch.texts[chosen], self._encode)
        hidden = self.network.encoded(_trimmed(ids), states)[:, :, 0]
        logits = self.network.itm.itm_head(hidden).float().flatten(0, 1)
        pictures = torch.arange(len(states), device=states.device)[:, None]
        return cross_entropy(logits, batch.truth[chosen, pictures].long().flatten())

    def _caption_loss(self, batch: Batch, states: Tensor) -> Tensor:
        words = _trimmed(batch.captions)[:, 1:]
        start = self.prompt.expand(len(states), -1)
        ids = torch.cat([start, words], dim=1)
        logits = self.network.caption_logits(ids, states)
        return language_loss(logits, ids, skipped=len(self.prompt))

    def _answer_loss(self, batch: Batch, states: Tensor) -> Tensor:
        chosen = _questions_to_ask(batch, len(states))
        ids = _trimmed(_started(batch.questions[chosen], self._encode))
        questions = self.network.encoded(ids, states).flatten(0, 1)
        answers = _trimmed(_started(batch.answers[chosen], self._decode)).flatten(0, 1)
        logits = self.network.answer_logits(answers, questions, ids.flatten(0, 1) != 0)
        return language_loss(logits, answers)


def _texts_to_match(batch: Batch, similarity: Tensor) -> Tensor:
    """The numbers of six texts for every picture, (n, 6).

    A true one of its own, another true one, two of its own false ones, and two false ones that the
    contrastive similarity takes for likely, in proportion to it (hard negatives as in ALBEF).
    """
    n = len(batch.pixels)
    own = batch.text_image[:, None] == torch.arange(n, device=similarity.device)
    likely = similarity.softmax(0) + 1e-6
    weights = (
        (1, own & batch.truth, (batch.text_kind == 0)[:, None] + 0.25),
        (1, batch.truth, 1.0),
        (2, own & ~batch.truth, 1.0),
        (2, ~own & ~batch.truth, likely),
    )
    drawn = [
        torch.multinomial((allowed * weight).T + 1e-12 * ~batch.truth.T, number)
        for number, allowed, weight in weights
    ]
    return torch.cat(drawn, dim=1)


def _questions_to_ask(batch: Batch, n: int) -> Tensor:
    own = batch.question_image[None] == torch.arange(n, device=batch.questions.device)[:, None]
    return torch.multinomial(own + 1e-12, QUESTIONS_SEEN)


def _started(ids: Tensor, first: int) -> Tensor:
    started = ids.clone()
    started[..., 0] = first
    return started


def _trimmed(ids: Tensor) -> Tensor:
    """Without the columns that are padding everywhere."""
    return ids[..., : int((ids != 0).flatten(0, -2).any(0).sum())]
