"""The network that is trained: transformers' BLIP parts, sharing weights as in the paper.

One vision tower; one text encoder for ITC, ITM and questions; a caption decoder that shares all
but its self-attention with the encoder; an answer decoder of its own that shares the word
embeddings. The texts of one image go through cross-attention together, so its keys and values are
projected once however many texts ask about it; transformers' own forward projects them for every
pair. The numbers are the same (a test holds it).
"""

import torch
from torch import Tensor, nn
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipForQuestionAnswering,
)

from blipsearch.blip.pretraining.recipe import Recipe
from blipsearch.blip.untyped import Network

__all__ = ["BlipNetwork", "attended_texts", "make_config"]

VISION_EPSILON = 1e-6
"""Layer norm of BLIP's vision tower, as the original code has it."""

_MASKED = -1e4


def make_config(recipe: Recipe, vocabulary: int) -> BlipConfig:
    """The checkpoint's config; `vocabulary` counts the words, [DEC] and [ENC] come on top."""
    shared = {
        "hidden_size": recipe.width,
        "num_attention_heads": recipe.heads,
        "intermediate_size": recipe.intermediate,
        "hidden_act": "gelu",
        "initializer_range": 0.02,
    }
    vision = {
        "image_size": recipe.image_size,
        "patch_size": recipe.patch_size,
        "num_hidden_layers": recipe.vision_layers,
        "layer_norm_eps": VISION_EPSILON,
        "attention_dropout": 0.0,
    }
    text = {
        "vocab_size": vocabulary + 2,
        "bos_token_id": vocabulary,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "sep_token_id": 102,
        "encoder_hidden_size": recipe.width,
        "num_hidden_layers": recipe.text_layers,
        "max_position_embeddings": recipe.max_tokens,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "is_decoder": True,
        "label_smoothing": 0.0,
    }
    return BlipConfig(
        vision_config={**shared, **vision},
        text_config={**shared, **text},
        image_text_hidden_size=recipe.feature_width,
        initializer_range=0.02,
        label_smoothing=0.0,
    )


class BlipNetwork(nn.Module):
    """The three BLIP checkpoints of one vision tower, with their shared weights tied.

    `itm`, `caption` and `vqa` are transformers' own classes and can be saved as they are.
    """

    def __init__(self, config: BlipConfig) -> None:
        super().__init__()
        self.itm = BlipForImageTextRetrieval(config)
        self.caption = BlipForConditionalGeneration(config)
        self.vqa = BlipForQuestionAnswering(config)
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())
        self._tie()

    def _tie(self) -> None:
        encoder, decoder = self.itm.text_encoder, self.caption.text_decoder
        self.caption.vision_model = self.itm.vision_model
        self.vqa.vision_model = self.itm.vision_model
        self.vqa.text_encoder = encoder
        decoder.bert.embeddings = encoder.embeddings
        self.vqa.text_decoder.bert.embeddings = encoder.embeddings
        for theirs, ours in zip(decoder.bert.encoder.layer, encoder.encoder.layer, strict=True):
            theirs.crossattention = ours.crossattention
            theirs.intermediate = ours.intermediate
            theirs.output = ours.output
        for text_decoder in (decoder, self.vqa.text_decoder):
            head = text_decoder.cls.predictions
            head.decoder.weight = encoder.embeddings.word_embeddings.weight
            head.decoder.bias = head.bias

    def image_states(self, pixels: Tensor) -> Tensor:
        """Image states (n, tokens, width) of normalised `pixels` (n, 3, size, size)."""
        states: Tensor = self.itm.vision_model(pixel_values=pixels).last_hidden_state
        return states

    def image_features(self, states: Tensor) -> Tensor:
        """Unit rows (n, features) from image states (n, tokens, width)."""
        return nn.functional.normalize(self.itm.vision_proj(states[:, 0]).float(), dim=-1)

    def text_features(self, ids: Tensor) -> Tensor:
        """Unit rows (n, features) of texts `ids` (n, length) that start with [CLS]."""
        states = attended_texts(self.itm.text_encoder, ids[:, None], None)
        return nn.functional.normalize(self.itm.text_proj(states[:, 0, 0]).float(), dim=-1)

    def encoded(self, ids: Tensor, states: Tensor) -> Tensor:
        """Text states (n, texts, length, width) of `ids` (n, texts, length) that start with [ENC].

        Row i of `ids` looks at row i of the image states (n, tokens, width).
        """
        return attended_texts(self.itm.text_encoder, ids, states)

    def caption_logits(self, ids: Tensor, states: Tensor) -> Tensor:
        """Next-word logits (n, length, words) of captions `ids` (n, length), [DEC] first."""
        decoder = self.caption.text_decoder
        hidden = attended_texts(decoder.bert, ids[:, None], states, causal=True)
        logits: Tensor = decoder.cls(hidden[:, 0])
        return logits

    def answer_logits(self, ids: Tensor, questions: Tensor, mask: Tensor) -> Tensor:
        """Next-word logits (n, length, words) of answers `ids` (n, length), [DEC] first.

        `questions` (n, question length, width) are text states of the questions and `mask`
        (n, question length) is True where they have a token.
        """
        decoder = self.vqa.text_decoder
        hidden = attended_texts(decoder.bert, ids[:, None], questions, mask, causal=True)
        logits: Tensor = decoder.cls(hidden[:, 0])
        return logits


def attended_texts(
    text_model: Network,
    ids: Tensor,
    states: Tensor | None,
    states_mask: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """Last states (n, texts, length, width) of `ids` (n, texts, length), which are padded with 0.

    `text_model` is transformers' BlipTextModel. Row i of `states` (n, tokens, width) is what the
    texts of row i see; None skips cross-attention. `states_mask` (n, tokens) is True where a state
    may be seen. With `causal` a token sees only those before it.
    """
    n, texts, length = ids.shape
    flat = ids.reshape(n * texts, length)
    seen = (flat != 0)[:, None, None, :]
    if causal:
        seen = seen & torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
    bias = torch.zeros_like(seen, dtype=torch.float32).masked_fill(~seen, _MASKED)
    states_bias = None
    if states_mask is not None:
        states_bias = torch.zeros_like(states_mask, dtype=torch.float32)
        states_bias = states_bias.masked_fill(~states_mask, _MASKED)[:, None, None, :]
    hidden: Tensor = text_model.embeddings(input_ids=flat)
    for layer in text_model.encoder.layer:
        hidden = _attended(layer.attention, hidden, hidden, bias)
        if states is not None:
            together = hidden.reshape(n, texts * length, -1)
            together = _attended(layer.crossattention, together, states, states_bias)
            hidden = together.reshape(n * texts, length, -1)
        hidden = layer.feed_forward_chunk(hidden)
    return hidden.reshape(n, texts, length, -1)


def _attended(attention: Network, queries: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
    """BlipTextAttention of `queries` (n, q, width) to `keys` (n, k, width)."""
    heads = attention.self.num_attention_heads
    q = _by_head(attention.self.query(queries), heads)
    k = _by_head(attention.self.key(keys), heads)
    v = _by_head(attention.self.value(keys), heads)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias
    context = scores.softmax(-1).to(v.dtype) @ v
    mixed = context.transpose(1, 2).reshape(queries.shape[0], queries.shape[1], -1)
    out: Tensor = attention.output(mixed, queries)
    return out


def _by_head(states: Tensor, heads: int) -> Tensor:
    n, length, width = states.shape
    return states.view(n, length, heads, width // heads).transpose(1, 2)
