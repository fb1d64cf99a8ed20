"""Settings of the service alone: one frozen value beside the library's, built by `serve`."""

from __future__ import annotations

from pydantic import ByteSize, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from blipsearch.settings import Size

__all__ = ["ServiceSettings"]


class ServiceSettings(BaseSettings):
    """How the service takes requests; each field is read from `BLIPSEARCH_SERVICE_<FIELD>` too.

    `concurrency` requests that need the networks are worked on at a time and `queue` more may wait;
    beyond them the answer is 503 at once, as for one that has not been answered after
    `request_seconds`. `batch_wait` is how many seconds the networks wait for others to join a
    batch while others are on their way; with `batching` off each request is computed by itself,
    one after the other. `threads` batches are computed at a time; 0 takes as many as suit.
    `cache` answers are remembered. `preload` loads the captioning and answering checkpoints at the
    start; otherwise they come at first use and go after `idle_seconds` without any.

    `rate_limit` is per key, in the words of the `limits` library, as in `600/minute`; empty for
    none. `cors` names the origins whose pages may ask. `image_urls` lets requests name pictures by
    URL. `max_body` bounds a request's bytes, and `max_conditions` a filter's conditions.
    """

    model_config = SettingsConfigDict(env_prefix="BLIPSEARCH_SERVICE_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    concurrency: int = Field(default=32, ge=1, le=1024)
    queue: int = Field(default=32, ge=0, le=100_000)
    request_seconds: float = Field(default=60.0, gt=0, le=3600)
    batching: bool = True
    threads: int = Field(default=0, ge=0, le=64)
    batch_wait: float = Field(default=0.002, ge=0, le=1)
    cache: int = Field(default=256, ge=0)
    preload: bool = False
    idle_seconds: float = Field(default=900.0, gt=0)
    rate_limit: str = "1200/minute"
    cors: tuple[str, ...] = ()
    image_urls: bool = False
    max_body: Size = Field(default=ByteSize(32_000_000), ge=1024)
    max_conditions: int = Field(default=32, ge=1)
    log_format: str = Field(default="auto", pattern="^(auto|console|json)$")
