"""Settings: one frozen value, built once by an edge (command line, service) and handed down."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from blipsearch.errors import SettingsError
from blipsearch.records import StatesKind

__all__ = [
    "DeviceName",
    "DtypeName",
    "MatchDtypeName",
    "Settings",
    "Size",
    "built_settings",
    "machine_memory",
    "make_settings",
]

DeviceName = str
"""`auto`, `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best device that answers."""

S = TypeVar("S", bound=BaseSettings)

DtypeName = Literal["auto", "float32", "float16", "bfloat16"]

_SIZE = re.compile(r"\s*\d*\.?\d+\s*[a-z]*\s*", re.ASCII | re.IGNORECASE)


def _whole_size(value: object) -> object:
    """Refuse what ByteSize reads the beginning of: to it `1,5 GB` is one byte."""
    if isinstance(value, str) and not _SIZE.fullmatch(value):
        raise PydanticCustomError("byte_size", "write a number and its unit, as in 20GB")
    return value


Size = Annotated[ByteSize, BeforeValidator(_whole_size)]
"""A number of bytes, written as `20GB`, `512 MiB` or `1000`."""

MatchDtypeName = Literal["auto", "int8"]

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


class Settings(BaseSettings):
    """Everything that can be set from outside, with its default.

    Each field is read from `BLIPSEARCH_<FIELD>` unless the edge passes it explicitly, and only
    when a `Settings` is made. The three checkpoints are a Hub name, a directory or `builtin`.
    """

    model_config = SettingsConfigDict(env_prefix="BLIPSEARCH_", frozen=True, extra="ignore")

    library: Path = Field(default_factory=lambda: Path.home() / ".local/share/blipsearch")
    server: str | None = None
    """The URL of a service that is to answer instead of the library."""
    api_key: SecretStr | None = None
    """The key that it is asked with."""
    collection: str = "default"
    checkpoint: str = "Salesforce/blip-itm-base-coco"
    caption_checkpoint: str = "Salesforce/blip-image-captioning-base"
    answer_checkpoint: str = "Salesforce/blip-vqa-base"
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"
    match_dtype: MatchDtypeName = "auto"
    """What the rerank computes its text's side in; `int8` is faster on a CPU, and not exact."""
    batch_size: int | None = Field(default=None, ge=1, le=4096)
    """Images that go through the network at a time; None: 8 on a CPU, found by trial on a GPU."""
    index_memory: Size = Field(default=ByteSize(1 << 30), ge=1 << 26)
    """Bytes that indexing may take in memory, beyond the checkpoint's weights."""
    decode_timeout: float = Field(default=60.0, gt=0)
    """Seconds of work after which a file that is still being decoded is given up."""
    watch_interval: float = Field(default=900.0, gt=0)
    """Seconds between two looks at everything that `index --watch` takes besides following."""
    caption_threshold: float = Field(default=0.5, ge=0, le=1)
    """The match at which a caption is kept without a second try."""
    decode_threads: int = Field(default=0, ge=0, le=256)
    """Threads that decode ahead of the network; 0 takes one per core."""
    max_megapixels: float = Field(default=200.0, gt=0)
    candidates: int = Field(default=64, ge=1, le=4096)
    """How many images the rerank looks at."""
    states: StatesKind | None = None
    """How a collection that is indexed keeps image states from now on; None: as it does."""
    states_budget: Size | None = Field(default=None, le=2**63 - 1)  # what the catalog can hold
    """Bytes that they may take at most; None: as before."""
    vector_memory: Size | None = Field(default=None, ge=1)
    """Bytes that a collection's vectors may take in memory; None: a quarter of the machine's."""
    vector_recall: float = Field(default=0.99, gt=0, le=1)
    """The share of the 100 nearest vectors that a search is to find."""

    @property
    def max_pixels(self) -> int:
        """The limit on an image's size in pixels."""
        return int(self.max_megapixels * 1_000_000)

    @property
    def vector_bytes(self) -> int:
        """The bytes that a collection's vectors may take in memory."""
        return machine_memory() // 4 if self.vector_memory is None else int(self.vector_memory)


def machine_memory() -> int:
    """How many bytes of memory this machine or container has; 8 GB where nothing says."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has none of it
        return 8 * 10**9
    try:
        return min(size, int(_CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit, which says `max`
        return size


def make_settings(**given: object) -> Settings:
    """Build the settings from what an edge was given, the environment and the defaults.

    A value of None counts as not given. Raises SettingsError, naming the field and its value.
    """
    return built_settings(Settings, given)


def built_settings(kind: type[S], given: Mapping[str, Any]) -> S:
    """Build settings of any kind in the same way."""
    explicit = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**explicit)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        prefix = kind.model_config.get("env_prefix", "")
        raise SettingsError(
            f"setting {field!r} cannot be {first['input']!r}: {first['msg']}; "
            f"see `blipsearch --help` or unset {prefix}{field.upper()}"
        ) from error
