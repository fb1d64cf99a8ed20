"""ITM: how well one text matches each of many images, from their stored states."""

from __future__ import annotations

import torch

from blipsearch.blip.untyped import Network

__all__ = ["match_states"]


def match_states(network: Network, ids: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Return the ITM logits, (n, 2), of one text and n images; column 1 speaks for a match.

    `ids` is the text, (1, length), beginning with [ENC]; `states` are image states,
    (n, tokens, width), on the network's device and in its dtype. The vision tower is not run.

    Source: BLIP, models/blip_itm.py, `match_head='itm'`, and the [ENC] token of blip_retrieval.py.
    """
    # One row of text: until the first cross-attention the images share its computation.
    output = network.text_encoder(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        encoder_hidden_states=states,
    )
    logits: torch.Tensor = network.itm_head(output.last_hidden_state[:, 0])
    return logits
