"""Products by other kernels are those of torch's own linear layer."""

from __future__ import annotations

import pytest
import torch

from blipsearch.blip.products import int8_is_exact, multiply, of_layer, quantized


def _layer(inputs: int, outputs: int) -> torch.nn.Linear:
    torch.manual_seed(inputs + outputs)
    return torch.nn.Linear(inputs, outputs)


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 5, 7), (0, 7), (2, 2, 3, 7)], ids=str)
def test_any_shape_is_multiplied_as_a_linear_layer_does(shape: tuple[int, ...]) -> None:
    layer, activations = _layer(7, 11), torch.randn(*shape)
    with torch.inference_mode():
        wanted = layer(activations)
        torch.testing.assert_close(of_layer(layer)(activations), wanted)
        bare = multiply(activations, layer.weight) + layer.bias
        torch.testing.assert_close(bare, wanted)


def test_views_of_a_transposed_or_sliced_matrix_are_read_as_they_are() -> None:
    weight = torch.randn(6, 9)
    with torch.inference_mode():
        for view in (weight, torch.randn(9, 6).T, torch.randn(6, 20)[:, 3:12]):
            activations = torch.randn(8, 18)[:, ::2]
            torch.testing.assert_close(multiply(activations, view), activations @ view.T)


def test_training_still_gets_its_gradients() -> None:
    layer, activations = _layer(5, 4), torch.randn(3, 5, requires_grad=True)
    loss = of_layer(layer)(activations).square().sum()
    for gradient in torch.autograd.grad(loss, [activations, layer.weight, layer.bias]):
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes_keep_theirs(dtype: torch.dtype) -> None:
    layer = _layer(5, 4).to(dtype)
    with torch.inference_mode():
        assert of_layer(layer)(torch.randn(2, 5, dtype=dtype)).dtype == dtype


def test_int8_is_about_a_hundredth_off_and_leaves_the_layer_alone() -> None:
    if not int8_is_exact():
        pytest.skip("this CPU cannot multiply int8 exactly")
    layer, activations = _layer(256, 64), torch.randn(3, 10, 256)
    before = layer.weight.clone()
    with torch.inference_mode():
        wanted, found = layer(activations), quantized(layer)(activations)
    assert found.shape == wanted.shape
    assert 0.001 < (found - wanted).norm() / wanted.norm() < 0.03
    assert torch.equal(layer.weight, before)


def test_rows_of_nothing_are_the_bias_in_int8_too() -> None:
    layer = _layer(16, 3)
    with torch.inference_mode():
        found = quantized(layer)(torch.zeros(2, 16))
    torch.testing.assert_close(found, layer.bias.detach().expand(2, -1))
