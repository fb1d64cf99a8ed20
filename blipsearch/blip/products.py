"""Products of activations with weights: the arithmetic that matching and the vision tower live on.

On a CPU in float32 torch multiplies with MKL, which on AMD processors leaves a tenth of the
machine unused; oneDNN's kernels, which torch ships as well, do not. A weight may also be turned
to int8 once, for products that are three times as fast and about a hundredth off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import gelu, linear

from blipsearch.blip.untyped import Network

__all__ = [
    "Product",
    "activation",
    "int8_is_exact",
    "multiply",
    "multiply_int8",
    "of_layer",
    "quantized",
    "round_rows",
]

Product = Callable[[torch.Tensor], torch.Tensor]
"""Takes activations (..., inputs) to (..., outputs), both in the same dtype."""


def _find_onednn() -> Any:  # noqa: ANN401  # an operator, which torch does not type
    """Return oneDNN's product as torch's own compiler calls it, where this build of torch has it.

    The name is not public, hence the look; `linear` gives the same numbers.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    try:
        return torch.ops.mkldnn._linear_pointwise.default  # noqa: SLF001
    except AttributeError:
        return None


_ONEDNN = _find_onednn()


def multiply(
    activations: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Return `activations @ weight.T + bias`: (..., inputs) times (outputs, inputs).

    The same function as `torch.nn.functional.linear`, by the fastest kernel at hand.
    """
    if (
        _ONEDNN is None
        or torch.is_grad_enabled()  # it has no derivative
        or activations.dtype != torch.float32
        or activations.device.type != "cpu"
    ):
        return linear(activations, weight, bias)
    flat = activations.reshape(-1, activations.shape[-1])
    product: torch.Tensor = _ONEDNN(flat, weight, bias, "none", [], "")
    return product.view(*activations.shape[:-1], weight.shape[0])


def of_layer(layer: Network) -> Product:
    """Return the product with a torch.nn.Linear's weight and bias."""
    weight, bias = layer.weight, layer.bias
    return lambda activations: multiply(activations, weight, bias)


def activation(known: Network) -> Product:
    """Return the function of one of transformers' activation modules."""
    # Its module for the exact GELU calls this function, with a dispatcher around it.
    return gelu if type(known).__name__ == "GELUActivation" else known


def quantized(layer: Network) -> Product:
    """Return the product with a torch.nn.Linear's weight rounded to int8, one scale an output.

    Activations are rounded as well, one scale a row, so that no row depends on the others; the
    result is about 1 % of its norm off. `layer` itself stays as it is. Source: LLM.int8()
    (arXiv 2208.07339), section 2.1, vector-wise quantization.
    """
    rounded, scales = round_rows(layer.weight)
    weight, bias = rounded.T, layer.bias

    def product(activations: torch.Tensor) -> torch.Tensor:
        flat, scale = round_rows(activations.reshape(-1, activations.shape[-1]))
        result = multiply_int8(flat, weight).to(bias.dtype)
        result.mul_(scale[:, None]).mul_(scales).add_(bias)
        return result.view(*activations.shape[:-1], len(bias))

    return product


def round_rows(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows (n, width) as int8, and the scale (n,) that each is to be multiplied by."""
    scales = rows.abs().amax(dim=1).div_(127).clamp_(min=torch.finfo(rows.dtype).tiny)
    return (rows / scales[:, None]).round_().to(torch.int8), scales


def multiply_int8(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return `left @ right`, (n, m) int32, of int8 matrices (n, k) and (k, m)."""
    return torch._int_mm(left, right)  # noqa: SLF001  # its only name, in torchao as well


def int8_is_exact() -> bool:
    """Whether this machine's int8 products are: without VNNI some kernels cut sums at 16 bits."""
    most = torch.full((32, 64), 127, dtype=torch.int8)
    return bool((multiply_int8(most, most.T) == 127 * 127 * 64).all())
