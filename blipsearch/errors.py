"""The one exception tree of blipsearch.

Every error that blipsearch raises on purpose is one of these. A message says what went
wrong, with which value, and what to do next; facts a program may need are attributes.
The command line turns an error into an exit code and the HTTP service into a status; both
look only at this tree.

* BlipSearchError
  x SettingsError (ValueError)
  x EngineMissingError (ImportError)
  x ShapeError (ValueError)
  x CheckpointError
    - CheckpointNotFoundError (LookupError)
    - CheckpointUnavailableError (OSError)
    - CheckpointMismatchError (ValueError)
    - DeviceError (RuntimeError)
      - DeviceMemoryError (MemoryError)
  x ImageError
    - ImageUnreadableError (ValueError)
    - ImageTooLargeError (ValueError)
    - ImageNotFoundError (LookupError)
  x SourceError (ValueError)
  x LibraryError
    - LibraryNotFoundError (LookupError)
    - LibraryRevisionError
    - LibraryBusyError
    - CollectionNotFoundError (LookupError)
    - CollectionExistsError (ValueError)
    - CollectionCheckpointError (ValueError)
    - SnapshotError
    - KeyExistsError (ValueError)
    - KeyNotFoundError (LookupError)
  x QueryError (ValueError)
    - InvalidFilterError
    - InvalidCursorError
    - CursorExpiredError (LookupError)
  x ServiceError
    - OverloadedError
      - RateLimitedError
    - UnauthorizedError (PermissionError)
    - ForbiddenError (PermissionError)
    - RequestTooLargeError (ValueError)
    - ServiceUnreachableError (ConnectionError)
    - ServiceTimeoutError (TimeoutError)
    - UnexpectedAnswerError
  x WorldError (ValueError)
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BlipSearchError",
    "CheckpointError",
    "CheckpointMismatchError",
    "CheckpointNotFoundError",
    "CheckpointUnavailableError",
    "CollectionCheckpointError",
    "CollectionExistsError",
    "CollectionNotFoundError",
    "CursorExpiredError",
    "DeviceError",
    "DeviceMemoryError",
    "EngineMissingError",
    "ForbiddenError",
    "ImageError",
    "ImageNotFoundError",
    "ImageTooLargeError",
    "ImageUnreadableError",
    "InvalidCursorError",
    "InvalidFilterError",
    "KeyExistsError",
    "KeyNotFoundError",
    "LibraryBusyError",
    "LibraryError",
    "LibraryNotFoundError",
    "LibraryRevisionError",
    "OverloadedError",
    "QueryError",
    "RateLimitedError",
    "RequestTooLargeError",
    "ServiceError",
    "ServiceTimeoutError",
    "ServiceUnreachableError",
    "SettingsError",
    "ShapeError",
    "SnapshotError",
    "SourceError",
    "UnauthorizedError",
    "UnexpectedAnswerError",
    "WorldError",
]


class BlipSearchError(Exception):
    """Base of all errors blipsearch raises on purpose.

    `code` is the stable name of the kind of error; it is what the HTTP service sends and
    what the SDK turns back into the same class.
    """

    code: ClassVar[str] = "error"


class SettingsError(BlipSearchError, ValueError):
    """A setting has a value that cannot be used."""

    code = "invalid_setting"


class EngineMissingError(BlipSearchError, ImportError):
    """The search engine's packages are not installed, or faiss is installed twice."""

    code = "engine_missing"


class ShapeError(BlipSearchError, ValueError):
    """An array has another shape, dtype or norm than the contract says."""

    code = "invalid_shape"


class CheckpointError(BlipSearchError):
    """Base of everything that can be wrong with a checkpoint."""

    code = "checkpoint_error"


class CheckpointNotFoundError(CheckpointError, LookupError):
    """No checkpoint has that name, neither here nor on the Hub."""

    code = "checkpoint_not_found"


class CheckpointUnavailableError(CheckpointError, OSError):
    """The checkpoint exists but cannot be had: offline, gated or half-downloaded."""

    code = "checkpoint_unavailable"


class CheckpointMismatchError(CheckpointError, ValueError):
    """The checkpoint's files do not fit the task they are loaded for."""

    code = "checkpoint_mismatch"


class DeviceError(CheckpointError, RuntimeError):
    """The chosen device or dtype is not to be had on this machine."""

    code = "device_unavailable"


class DeviceMemoryError(DeviceError, MemoryError):
    """The device has too little memory for what it was given at a time; less may fit."""

    code = "device_memory"


class ImageError(BlipSearchError):
    """Base of everything that can be wrong with one image."""

    code = "image_error"


class ImageUnreadableError(ImageError, ValueError):
    """The file is not an image, is damaged, or cannot be read."""

    code = "image_unreadable"


class ImageTooLargeError(ImageError, ValueError):
    """The image has more pixels than the limit allows."""

    code = "image_too_large"


class ImageNotFoundError(ImageError, LookupError):
    """The collection holds no image with that id."""

    code = "image_not_found"


class SourceError(BlipSearchError, ValueError):
    """A source given to the indexer cannot be used."""

    code = "invalid_source"


class LibraryError(BlipSearchError):
    """Base of everything that can be wrong with a library on disk."""

    code = "library_error"


class LibraryNotFoundError(LibraryError, LookupError):
    """There is no library in that directory."""

    code = "library_not_found"


class LibraryRevisionError(LibraryError):
    """The library's schema is older or newer than this program's."""

    code = "library_revision"


class LibraryBusyError(LibraryError):
    """Another process is writing to the collection."""

    code = "library_busy"


class CollectionNotFoundError(LibraryError, LookupError):
    """The library has no collection of that name."""

    code = "collection_not_found"


class CollectionExistsError(LibraryError, ValueError):
    """The library already has a collection of that name."""

    code = "collection_exists"


class CollectionCheckpointError(LibraryError, ValueError):
    """The collection was embedded with another checkpoint than the one at hand."""

    code = "collection_checkpoint"


class SnapshotError(LibraryError):
    """A vector snapshot is missing, torn or of another version; it can be rebuilt."""

    code = "snapshot_invalid"


class KeyExistsError(LibraryError, ValueError):
    """The library already has, or had, an API key of that name."""

    code = "key_exists"


class KeyNotFoundError(LibraryError, LookupError):
    """The library has no API key of that name."""

    code = "key_not_found"


class QueryError(BlipSearchError, ValueError):
    """A query cannot be understood or is out of its limits."""

    code = "invalid_query"


class InvalidFilterError(QueryError):
    """A filter cannot be understood, names an unknown field or is out of its limits.

    `position` is where in the filter's text, from 0; None for the JSON form. `location` is where in
    the JSON form, as keys and indexes joined by dots; empty for the text and for the whole.
    """

    code = "invalid_filter"

    def __init__(self, message: str, *, position: int | None = None, location: str = "") -> None:
        super().__init__(message)
        self.position = position
        self.location = location


class InvalidCursorError(QueryError):
    """A cursor was not made by a search of the collection, or was changed."""

    code = "invalid_cursor"


class CursorExpiredError(QueryError, LookupError):
    """The ranking that a cursor stands for is not kept any more."""

    code = "cursor_expired"


class ServiceError(BlipSearchError):
    """Base of what a query service refuses, whatever was asked of it."""

    code = "service_error"


class OverloadedError(ServiceError):
    """The service has more to do than it can; ask again after `retry_after` seconds.

    `reason` is `queue` where too many wait, `time` where the answer took too long, or `stopping`.
    """

    code = "overloaded"

    def __init__(self, message: str, *, reason: str = "queue", retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class RateLimitedError(OverloadedError):
    """This API key has asked more often than it may; ask again after `retry_after` seconds."""

    code = "rate_limited"


class UnauthorizedError(ServiceError, PermissionError):
    """The service wants an API key, and there was none, or one it does not know."""

    code = "unauthorized"


class ForbiddenError(ServiceError, PermissionError):
    """The API key does not allow this, or the service does not."""

    code = "forbidden"


class RequestTooLargeError(ServiceError, ValueError):
    """The request has more bytes than the service takes."""

    code = "request_too_large"


class ServiceUnreachableError(ServiceError, ConnectionError):
    """No connection to the service could be made, or it broke off."""

    code = "service_unreachable"


class ServiceTimeoutError(ServiceError, TimeoutError):
    """The service did not answer within the client's time."""

    code = "service_timeout"


class UnexpectedAnswerError(ServiceError):
    """What answered is no blipsearch service, or not one of this version: a proxy's page, say.

    `status` is the HTTP status of the answer.
    """

    code = "unexpected_answer"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class WorldError(BlipSearchError, ValueError):
    """A name, a sentence or a number does not belong to the picture-book world."""

    code = "not_in_world"
