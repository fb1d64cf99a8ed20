"""A quick look at how far a run has come, on scenes it never trains on.

The figures that are published come from benchmarks/quality.py, which goes through the public
layer; these go through the network under training, on fewer scenes, with greedy decoding.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import BertTokenizer

from blipsearch.blip.pretraining.batches import normalised
from blipsearch.blip.pretraining.network import BlipNetwork
from blipsearch.errors import WorldError
from blipsearch.picturebook import grammar, world
from blipsearch.picturebook.render import render
from blipsearch.picturebook.scene import Scene, draw_scene
from blipsearch.picturebook.twins import twin

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

__all__ = ["CAPTION_PROMPT", "Evaluator", "related_scenes"]

CAPTION_PROMPT = "a picture of"
CANDIDATES = 64
SHOWN = 10
_CAPTION_TOKENS = 24
_ANSWER_TOKENS = 8


def related_scenes(split: str, number: int, seed: int) -> list[Scene]:
    """`number` scenes of a split, an even one of them: every other is the twin of the one before.

    The twins differ in each of world.DIFFERENCES in turn, and every full caption is true of one
    scene only.
    """
    scenes: list[Scene] = []
    before: Scene | None = None
    for scene in grammar.unambiguous(_families(split, seed)):
        if before is not None and before.seed == scene.seed:
            scenes += [before, scene]
        if len(scenes) >= number:
            break
        before = scene
    return scenes


def _families(split: str, seed: int) -> Iterator[Scene]:
    """Scenes, each followed by its twin, without end."""
    differences = itertools.cycle(world.DIFFERENCES)
    wanted = next(differences)
    for number in itertools.count(seed):
        scene = draw_scene(number, split=split)
        other = twin(scene, wanted, number)
        if other is not None:
            yield from (scene, other)
            wanted = next(differences)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Of every scene's full caption, (n, candidates) each, on the device that trains."""

    by_cosine: Tensor
    found: Tensor
    """Pictures after the rerank."""
    margins: Tensor
    """Match logit less no-match logit, in the order of `found`."""


class Evaluator:
    """Holds the scenes it asks about, drawn once; `measure` gives figures from 0 to 1 by name."""

    def __init__(self, scenes: Sequence[Scene], image_size: int, tokenizer: BertTokenizer) -> None:
        self.scenes = scenes
        self.tokenizer = tokenizer
        drawn = [np.asarray(render(scene, image_size)) for scene in scenes]
        self.pixels = torch.from_numpy(np.stack(drawn))

    @torch.no_grad()
    def measure(self, network: BlipNetwork) -> dict[str, float]:
        """Recalls, twins told apart by difference, true captions and right answers."""
        states = self._states(network)
        return {
            **_recalls(self._search(network, states)),
            **self._twins_told_apart(network, states),
            "true captions": self._true_captions(network, states),
            "right answers": self._right_answers(network, states),
        }

    @torch.no_grad()
    def shown_pairs(self, network: BlipNetwork) -> tuple[Floats, Bools]:
        """Margins of the match logits, and truth, of the first SHOWN hits for every full caption.

        Both are (pairs,): what a person meets who searches, to fit a temperature on.
        """
        ranking = self._search(network, self._states(network))
        margins = ranking.margins[:, :SHOWN].cpu().numpy()
        queries = [grammar.full_caption(scene) for scene in self.scenes]
        truth = [
            [grammar.is_true(query, self.scenes[i]) for i in found]
            for query, found in zip(queries, ranking.found[:, :SHOWN].tolist(), strict=True)
        ]
        return margins.reshape(-1), np.array(truth).reshape(-1)

    def _states(self, network: BlipNetwork) -> Tensor:
        device = next(network.parameters()).device
        chunks = [
            network.image_states(normalised(p.to(device))) for p in torch.split(self.pixels, 64)
        ]
        return torch.cat(chunks).float()

    def _search(self, network: BlipNetwork, states: Tensor) -> _Ranking:
        ids = self._ids([grammar.full_caption(s) for s in self.scenes], states.device)
        cosines = network.text_features(ids) @ network.image_features(states).T
        by_cosine = cosines.topk(min(CANDIDATES, len(ids)), dim=1).indices
        found, margins = torch.empty_like(by_cosine), torch.empty(by_cosine.shape)
        for i, candidates in enumerate(by_cosine):
            text = ids[i, ids[i] != 0]
            text[0] = _encode(network)
            hidden = network.encoded(text.expand(len(candidates), 1, -1), states[candidates])
            logits = network.itm.itm_head(hidden[:, 0, 0]).float()
            order = (logits[:, 1] + cosines[i, candidates]).argsort(descending=True)
            found[i], margins[i] = candidates[order], (logits[:, 1] - logits[:, 0])[order]
        return _Ranking(by_cosine, found, margins)

    def _twins_told_apart(self, network: BlipNetwork, states: Tensor) -> dict[str, float]:
        right: dict[str, list[bool]] = {name: [] for name in world.DIFFERENCES}
        for i, scene in enumerate(self.scenes):
            falses = grammar.false_captions(scene, random.Random(i))
            texts = [text for false in falses for text in (false.original, false.text)]
            ids = self._ids(texts, states.device)
            ids[:, 0] = _encode(network)
            hidden = network.encoded(ids[None], states[i : i + 1])[0, :, 0]
            logits = network.itm.itm_head(hidden).float()
            match = (logits[:, 1] - logits[:, 0]).view(-1, 2)
            for false, higher in zip(falses, (match[:, 0] > match[:, 1]).tolist(), strict=True):
                right[false.differs_in].append(higher)
        return {f"twins by {name}": _mean(told) for name, told in right.items()}

    def _true_captions(self, network: BlipNetwork, states: Tensor) -> float:
        prompt = self.tokenizer(CAPTION_PROMPT, add_special_tokens=False)["input_ids"]
        start = torch.tensor([_encode(network) - 1, *prompt], device=states.device)
        ids = start.expand(len(states), -1)
        told = _greedy(lambda ids: network.caption_logits(ids, states), ids, _CAPTION_TOKENS)
        captions = self.tokenizer.batch_decode(told, skip_special_tokens=True)
        return _mean([_holds(c, s) for c, s in zip(captions, self.scenes, strict=True)])

    def _right_answers(self, network: BlipNetwork, states: Tensor) -> float:
        right: list[bool] = []
        for rows in _chunks(range(len(self.scenes)), 32):
            asked = [(i, q) for i in rows for q in grammar.questions(self.scenes[i], _rng(i))[:4]]
            ids = self._ids([q.question for _, q in asked], states.device)
            ids[:, 0] = _encode(network)
            own = states[[i for i, _ in asked]]
            hidden, mask = network.encoded(ids[:, None], own)[:, 0], ids != 0
            start = torch.full((len(ids), 1), _encode(network) - 1, device=states.device)
            logits_of = partial(_answer_logits, network, hidden, mask)
            told = _greedy(logits_of, start, _ANSWER_TOKENS)
            answers = self.tokenizer.batch_decode(told, skip_special_tokens=True)
            right += [a == q.answer for a, (_, q) in zip(answers, asked, strict=True)]
        return _mean(right)

    def _ids(self, texts: Sequence[str], device: torch.device) -> Tensor:
        rows = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        ids: Tensor = rows["input_ids"].to(device)
        return ids


def _recalls(ranking: _Ranking) -> dict[str, float]:
    own = torch.arange(len(ranking.found), device=ranking.found.device)[:, None]
    return {
        "cosine R@1": _share((ranking.by_cosine[:, :1] == own).any(1)),
        "cosine R@64": _share((ranking.by_cosine == own).any(1)),
        "R@1": _share((ranking.found[:, :1] == own).any(1)),
        "R@10": _share((ranking.found[:, :10] == own).any(1)),
    }


def _encode(network: BlipNetwork) -> int:
    return int(network.itm.config.text_config.bos_token_id) + 1


def _answer_logits(network: BlipNetwork, questions: Tensor, mask: Tensor, ids: Tensor) -> Tensor:
    return network.answer_logits(ids, questions, mask)


def _greedy(logits_of: Callable[[Tensor], Tensor], ids: Tensor, most: int) -> Tensor:
    """The most likely words after `ids` (n, length), up to [SEP]; 0 after it."""
    given, done = ids.shape[1], torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    for _ in range(most):
        following = logits_of(ids)[:, -1].argmax(-1).masked_fill(done, 0)
        done = done | (following == 102)
        ids = torch.cat([ids, following[:, None]], dim=1)
        if bool(done.all()):
            break
    return ids[:, given:]


def _holds(caption: str, scene: Scene) -> bool:
    """Whether a caption is in the grammar and true."""
    try:
        return grammar.is_true(caption, scene)
    except WorldError:
        return False


def _rng(seed: int) -> random.Random:
    return random.Random(seed)


def _chunks(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _share(right: Tensor) -> float:
    return float(right.float().mean())


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / max(1, len(values))
