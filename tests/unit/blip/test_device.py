"""Devices and dtypes: what was asked for, or an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipAnswerer, BlipCaptioner, BlipRetriever
from blipsearch.blip.device import allocated_bytes, choose_device, choose_dtype, memory_errors
from blipsearch.errors import DeviceError, DeviceMemoryError
from blipsearch.testing import sample_images, write_tiny_checkpoint

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
no_mps = pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has MPS")


@no_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_without_a_gpu_is_an_error_and_not_a_silent_cpu_run(tiny: Path, name: str) -> None:
    with pytest.raises(DeviceError, match=r"cuda.*--device cpu"):
        BlipRetriever.from_pretrained(str(tiny / "itm"), device=name)


@no_mps
def test_mps_elsewhere_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"mps.*--device cpu"):
        choose_device("mps")


@no_cuda
@no_mps
def test_without_an_accelerator_nothing_is_allocated_on_one(tiny: Path) -> None:
    BlipRetriever.from_pretrained(str(tiny / "itm"))

    assert allocated_bytes() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")
def test_what_a_network_takes_on_a_gpu_is_told_by_the_gpus_name(tiny: Path) -> None:
    before = allocated_bytes().get("cuda:0", 0)
    retriever = BlipRetriever.from_pretrained(str(tiny / "itm"), device="cuda:0")

    assert allocated_bytes()["cuda:0"] > before
    assert retriever.description.count("cuda")


@pytest.mark.parametrize("name", ["gpu", "", "cpu0", "xpu", "meta"])
def test_other_devices_are_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="use auto, cpu, cuda, cuda:N or mps"):
        choose_device(name)


def test_other_dtypes_are_refused(tiny: Path) -> None:
    with pytest.raises(DeviceError, match="'int8'"):
        BlipRetriever.from_pretrained(str(tiny / "itm"), dtype="int8")


def test_auto_takes_the_best_there_is() -> None:
    device = choose_device("auto")
    assert device.type == "cuda" if torch.cuda.is_available() else device.type in ("cpu", "mps")


def test_auto_dtype_is_full_precision_on_a_cpu_and_half_elsewhere() -> None:
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_dtype("auto", torch.device("cuda")) == torch.float16
    assert choose_dtype("auto", torch.device("mps")) == torch.float16


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.1), ("float16", 0.01)])
def test_half_precision_runs_and_stays_close(tiny: Path, dtype: str, tolerance: float) -> None:
    full = BlipRetriever.from_pretrained(str(tiny / "itm"))
    half = BlipRetriever.from_pretrained(str(tiny / "itm"), dtype=dtype)
    assert half.dtype == dtype
    assert half.description.endswith(f"on cpu, {dtype}")
    images = sample_images(4)
    encoded = half.encode_images(images)
    assert encoded.features.dtype == encoded.states.dtype == np.float32
    wanted = full.encode_images(images)
    np.testing.assert_allclose(encoded.features, wanted.features, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(encoded.features, axis=1), 1, atol=1e-5)
    text = half.get_text_features(["a dog"])
    np.testing.assert_allclose(text, full.get_text_features(["a dog"]), rtol=0, atol=tolerance)
    logits = half.match("a dog", wanted.states)
    np.testing.assert_allclose(
        logits, full.match("a dog", wanted.states), rtol=0, atol=10 * tolerance
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_writes_captions_and_answers(tiny: Path, dtype: str) -> None:
    images = sample_images(2)
    captioner = BlipCaptioner.from_pretrained(str(tiny / "caption"), dtype=dtype)
    assert all(text.startswith("a picture of") for text in captioner.caption(images))
    answerer = BlipAnswerer.from_pretrained(str(tiny / "vqa"), dtype=dtype)
    assert len(answerer.answer(images, "where?")) == 2
    assert set(answerer.answer(images, "where?", choices=["yes", "no"])) <= {"yes", "no"}


def test_weights_stored_in_half_precision_are_computed_in_full(tmp_path: Path) -> None:
    for dtype in ("float32", "float16"):
        write_tiny_checkpoint(tmp_path / dtype, "itm", dtype=dtype)
    images = sample_images(2)
    full, half = (
        BlipRetriever.from_pretrained(str(tmp_path / dtype)) for dtype in ("float32", "float16")
    )
    assert half.dtype == "float32"
    np.testing.assert_allclose(
        half.get_image_features(images), full.get_image_features(images), rtol=0, atol=1e-2
    )


def test_memory_that_is_used_up_is_an_error_of_its_own() -> None:
    cpu = torch.device("cpu")

    with (
        pytest.raises(DeviceMemoryError, match=r"cpu has too little memory for a petabyte; .*size"),
        memory_errors(cpu, "a petabyte"),
    ):
        torch.empty(1 << 50, dtype=torch.uint8)
    with pytest.raises(DeviceMemoryError), memory_errors(cpu, "a batch"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_other_errors_of_torch_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_errors(torch.device("cpu"), "a batch"):
        raise RuntimeError("the shapes do not fit")
