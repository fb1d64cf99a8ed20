"""Which device and dtype the networks run in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from blipsearch.blip.products import int8_is_exact
from blipsearch.errors import DeviceError, DeviceMemoryError

__all__ = [
    "DTYPES",
    "MOST_THREADS",
    "allocated_bytes",
    "check_match_dtype",
    "choose_device",
    "choose_dtype",
    "cores_shared",
    "device_names",
    "dtype_name",
    "memory_errors",
    "share_cores",
    "side_by_side",
]

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

MOST_THREADS = 4
"""More would have too little of a large network each to be quick for a single caller."""


def choose_device(name: str) -> torch.device:
    """Return the device of that name: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    `auto` takes a CUDA GPU where one answers, else Apple's, else the CPU. A device asked for by
    name is never replaced by another.

    Raises DeviceError when this machine or this build of torch does not have the device.
    """
    if name == "auto":
        return torch.device(_best_device())
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"no device is called {name!r}; use auto, cpu, cuda, cuda:N or mps"
        ) from error
    if device.type == "cuda":
        _check_cuda(device)
    elif device.type == "mps":
        _check_mps()
    elif device.type != "cpu":
        raise DeviceError(f"device {name!r} is not supported; use auto, cpu, cuda, cuda:N or mps")
    return device


def device_names(name: str) -> list[str]:
    """Name the devices that are to work side by side: all GPUs for `auto` and `cuda`, else one.

    The names are as for `choose_device`, which says what is wrong with one.
    """
    may_be_several = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    if not may_be_several or torch.cuda.device_count() < 2:
        return [name]
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of that name: `auto`, `float32`, `float16` or `bfloat16`.

    `auto` is float32 on a CPU, where half precision is slower, and float16 on CUDA and MPS:
    it has 10 bits of mantissa against bfloat16's 7, so scores stay about eight times closer to
    float32's, and BLIP's layer-normalised activations do not need bfloat16's range.

    Raises DeviceError for any other name.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    try:
        return DTYPES[name]
    except KeyError:
        raise DeviceError(
            f"no dtype is called {name!r}; use auto, float32, float16 or bfloat16"
        ) from None


def check_match_dtype(name: str, device: torch.device) -> bool:
    """Return whether the match is to use int8: `int8` says so, `auto` does not.

    Raises DeviceError for any other name, and where int8 products do not run or are not exact.
    """
    if name == "auto":
        return False
    if name != "int8":
        raise DeviceError(f"the match cannot run in {name!r}; use auto or int8")
    if device.type != "cpu":
        raise DeviceError(
            f"the match runs in int8 on a CPU only, not on {str(device)!r}; use --match-dtype auto"
        )
    if not int8_is_exact():
        raise DeviceError(
            "this CPU cannot multiply int8 exactly (it has no VNNI); use --match-dtype auto"
        )
    return True


def dtype_name(dtype: torch.dtype) -> str:
    """Return a dtype's name without the module: `float32`."""
    return str(dtype).removeprefix("torch.")


def allocated_bytes() -> dict[str, int]:
    """Return how many bytes tensors take on each accelerator, by its name: `cuda:0`, `mps`.

    Empty on a machine without one. Asking never starts a device that nothing was put on yet.
    """
    taken = {}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            taken[f"cuda:{index}"] = torch.cuda.memory_allocated(index)
    if torch.backends.mps.is_available():
        taken["mps"] = torch.mps.current_allocated_memory()
    return taken


@contextmanager
def memory_errors(device: torch.device, what: str) -> Iterator[None]:
    """Turn what torch raises when the device's memory is used up into DeviceMemoryError.

    `what` was to be computed, as in "a batch of 64 images". What the failed attempt took is free
    again when the error is out.
    """
    try:
        yield
    except RuntimeError as error:
        # A CPU and MPS say it in words alone.
        said = str(error).lower()
        if not isinstance(error, torch.OutOfMemoryError) and not any(
            words in said for words in ("out of memory", "can't allocate memory")
        ):
            raise
        if device.type == "cuda":
            torch.cuda.empty_cache()
        raise DeviceMemoryError(
            f"{device} has too little memory for {what}; use a smaller --batch-size, "
            "--dtype float16, or --device cpu"
        ) from error


def share_cores(device: str, threads: int = 0) -> int:
    """Share the cores out among threads that compute side by side; returns how many threads.

    For the whole process: each thread then computes with its part of the cores. On a CPU two
    threads with a core each do more than one with two, because small products do not divide well;
    an accelerator is kept busy by one thread. 0 takes as many as `side_by_side`. Raises DeviceError
    for an unknown device.
    """
    if choose_device(device).type != "cpu":
        return threads or 1
    threads = threads or side_by_side("cpu")
    torch.set_num_threads(_part_of_cores(threads))
    return threads


def side_by_side(device: str, most: int = MOST_THREADS) -> int:
    """How many threads compute side by side here at best, `most` or fewer; 1 on a GPU.

    So many that most cores are shared out in equal parts: three threads for six cores.
    """
    if device != "cpu":
        return 1
    cores = torch.get_num_threads()
    return max(range(1, max(1, min(most, cores)) + 1), key=lambda n: (n * (cores // n), n))


@contextmanager
def cores_shared(threads: int) -> Iterator[None]:
    """Let the threads that begin to compute within the block have their part of the cores each."""
    cores = torch.get_num_threads()
    torch.set_num_threads(_part_of_cores(threads))
    try:
        yield
    finally:
        torch.set_num_threads(cores)


def _part_of_cores(threads: int) -> int:
    return max(1, torch.get_num_threads() // threads)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _check_cuda(device: torch.device) -> None:
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None
        reason = "no CUDA GPU answers" if built else "this build of torch has no CUDA"
        raise DeviceError(
            f"device {str(device)!r} is not to be had: {reason} (torch {torch.__version__}); "
            "use --device cpu, or --device auto to take what there is"
        )
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        raise DeviceError(
            f"device {str(device)!r} is not to be had: this machine has {count} CUDA GPU(s), "
            "counted from cuda:0"
        )


def _check_mps() -> None:
    if not torch.backends.mps.is_available():
        raise DeviceError(
            f"device 'mps' is not to be had with torch {torch.__version__} on this machine; "
            "use --device cpu, or --device auto to take what there is"
        )
