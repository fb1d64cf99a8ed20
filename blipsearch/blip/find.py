"""Finding a checkpoint's files: the built-in one, a directory, or a name on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx2
import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from blipsearch.errors import (
    CheckpointMismatchError,
    CheckpointNotFoundError,
    CheckpointUnavailableError,
)

__all__ = ["BUILTIN", "RELEASED", "CheckpointFiles", "Task", "find_checkpoint"]

Task = Literal["itm", "caption", "vqa"]
"""What a checkpoint was trained for: retrieval with matching, captions, or answers."""

BUILTIN = "builtin"
RELEASED: dict[Task, str] = {
    "itm": "Salesforce/blip-itm-base-coco",
    "caption": "Salesforce/blip-image-captioning-base",
    "vqa": "Salesforce/blip-vqa-base",
}
"""The released checkpoint to recommend for each task."""

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
VOCABULARY = ("vocab.txt", "tokenizer.json")
DOWNLOADED = [
    CONFIG,
    WEIGHTS,
    *PREPROCESSING,
    "tokenizer*",
    "vocab.txt",
    "special_tokens_map.json",
    "generation_config.json",
]
ELSEWHERE = f"or use a copy on disk (--checkpoint DIR), another cache (HF_HOME=DIR), or `{BUILTIN}`"
BUILTIN_DIRECTORY = Path(__file__).resolve().parents[1] / "picturebook" / "checkpoint"


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """A directory in the Hub's layout, complete: config, weights, preprocessing, vocabulary.

    `name` is what the user wrote; `revision` the Hub commit, or empty for a directory.
    """

    name: str
    directory: Path
    revision: str = ""

    @property
    def config(self) -> Path:
        """The configuration, config.json."""
        return self.directory / CONFIG

    @property
    def weights(self) -> Path:
        """The weights, model.safetensors."""
        return self.directory / WEIGHTS


def find_checkpoint(name: str, task: Task, *, revision: str | None = None) -> CheckpointFiles:
    """Find the files of `builtin`, of a directory, or of a Hub name, downloading these if needed.

    A complete copy in the Hub's local cache is used without asking the Hub.

    Raises CheckpointNotFoundError when nothing has that name, CheckpointUnavailableError when it
    exists but cannot be had whole (offline, gated, half-downloaded), and CheckpointMismatchError
    when its weights are only there as a pickle.
    """
    directory = Path(name).expanduser()
    if name == BUILTIN:
        return _find_builtin(task)
    if directory.is_dir():
        if revision is not None:
            raise CheckpointNotFoundError(
                f"{name!r} is a directory and has no revision {revision!r}; "
                "only a name on the Hub has revisions"
            )
        _check_complete(name, directory, task)
        return CheckpointFiles(name, directory)
    if _looks_like_a_path(name):
        raise CheckpointNotFoundError(
            f"there is no checkpoint directory {name!r}; give --checkpoint an existing directory, "
            f"a name on the Hub such as {RELEASED[task]}, or `{BUILTIN}`"
        )
    return _find_on_hub(name, task, revision)


def _find_builtin(task: Task) -> CheckpointFiles:
    directory = BUILTIN_DIRECTORY / task
    if not directory.is_dir():
        raise CheckpointNotFoundError(
            f"this installation has no built-in {task} checkpoint (looked in {directory}); "
            f"reinstall blipsearch, or use --checkpoint {RELEASED[task]} or a directory"
        )
    _check_complete(BUILTIN, directory, task)
    return CheckpointFiles(BUILTIN, directory)


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def _missing_files(directory: Path) -> list[str]:
    groups = ((CONFIG,), (WEIGHTS,), PREPROCESSING, VOCABULARY)
    return [
        " or ".join(group)
        for group in groups
        if not any((directory / name).is_file() for name in group)
    ]


def _check_complete(name: str, directory: Path, task: Task) -> None:
    missing = _missing_files(directory)
    if not missing:
        return
    if WEIGHTS in missing and (directory / "pytorch_model.bin").is_file():
        raise CheckpointMismatchError(
            f"checkpoint {name!r} has its weights only as {directory / 'pytorch_model.bin'}, a "
            f"pickle that can run any code when loaded; use one with {WEIGHTS} (the released ones "
            f"have it, for example {RELEASED[task]}), or convert it with safetensors"
        )
    raise CheckpointUnavailableError(
        f"checkpoint {name!r} is incomplete: {directory} has no {', no '.join(missing)}; "
        f"copy or download it again, or use another: --checkpoint DIR, {RELEASED[task]}, "
        f"`{BUILTIN}`"
    )


def _find_on_hub(name: str, task: Task, revision: str | None) -> CheckpointFiles:
    try:
        cached = huggingface_hub.try_to_load_from_cache(name, CONFIG, revision=revision)
    except HFValidationError as error:
        raise CheckpointNotFoundError(
            f"{name!r} is neither a directory nor a name the Hub allows; give --checkpoint "
            f"a directory, a name such as {RELEASED[task]}, or `{BUILTIN}`"
        ) from error
    if isinstance(cached, str) and not _missing_files(Path(cached).parent):
        directory = Path(cached).parent
    else:
        directory = _download(name, task, revision)
        _check_downloaded(name, directory)
    # A snapshot's directory is called by its commit.
    return CheckpointFiles(name, directory, revision=directory.name)


def _check_downloaded(name: str, directory: Path) -> None:
    missing = _missing_files(directory)
    if missing:
        raise CheckpointUnavailableError(
            f"checkpoint {name!r} is incomplete: its copy from the Hub, {directory}, has no "
            f"{', no '.join(missing)} (half-downloaded, or the repository has only a pickle, which "
            f"is never loaded); try again online, {ELSEWHERE}"
        )


def _download(name: str, task: Task, revision: str | None) -> Path:
    try:
        return Path(
            huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=DOWNLOADED)
        )
    except GatedRepoError as error:
        raise CheckpointUnavailableError(
            f"checkpoint {name!r} is gated on the Hub: accept its terms at its page and log in "
            f"with `hf auth login`, {ELSEWHERE}"
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointNotFoundError(
            f"there is no checkpoint {name!r}, neither a directory here nor a name on the Hub "
            f"(or it is private: then `hf auth login`); take {RELEASED[task]}, {ELSEWHERE}"
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointNotFoundError(
            f"checkpoint {name!r} has no revision {revision!r} on the Hub; leave the revision out "
            "for the newest"
        ) from error
    except (OSError, httpx2.HTTPError) as error:
        raise CheckpointUnavailableError(
            f"checkpoint {name!r} is not complete in the local cache and cannot be downloaded: "
            f"{_cause(error)}; try again online, {ELSEWHERE}"
        ) from error


def _cause(error: BaseException) -> str:
    """Say in a few words why a download failed; the Hub's own text runs over many lines."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OfflineModeIsEnabled):
            return "offline mode is on (HF_HUB_OFFLINE)"
        if isinstance(seen, httpx2.TimeoutException | httpx2.ConnectError):
            return f"the Hub does not answer ({type(seen).__name__})"
        seen = seen.__cause__ or seen.__context__
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
