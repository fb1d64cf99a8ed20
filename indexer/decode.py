"""What becomes of a candidate when it is looked into."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from blipsearch.blip import Retriever
from indexer.decoders.looking import (
    Answer,
    Bad,
    Claimed,
    Gone,
    Job,
    Needs,
    Picture,
    Rules,
    Same,
    look,
)
from indexer.plan import Candidate

__all__ = [
    "Moved",
    "Outcome",
    "Prepared",
    "Refused",
    "SameContent",
    "Vanished",
    "decode_here",
    "outcome_of",
    "rules_for",
]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture ready for the network."""

    candidate: Candidate
    picture: Picture


@dataclass(frozen=True, slots=True)
class SameContent:
    """A file whose size or mtime is new but whose bytes are those that were embedded."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Moved:
    """A new file that holds what the image `image_id` held, whose own file is gone."""

    candidate: Candidate
    image_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be indexed. `lasting` reasons lie in its content, others may pass."""

    candidate: Candidate
    reason: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file that is not there any more."""

    candidate: Candidate


Outcome = Prepared | SameContent | Moved | Refused | Vanished


def outcome_of(candidate: Candidate, answer: Answer) -> Outcome:
    """Say what an answer means for its candidate."""
    match answer:
        case Picture():
            return Prepared(candidate, answer)
        case Same():
            return SameContent(candidate)
        case Claimed(image_id):
            return Moved(candidate, image_id)
        case Gone():
            return Vanished(candidate)
        case Bad(reason, lasting):
            return Refused(candidate, reason, lasting)
        case Needs():
            raise ValueError("what needs more memory is not settled yet")


def rules_for(retriever: Retriever, max_pixels: int, most_bytes: int) -> Rules:
    """The rules by which pictures are prepared as this retriever would prepare them."""
    resample = str(retriever.identity.preprocessing.get("resample", "bicubic"))
    filter_ = Image.Resampling[resample.upper()]
    return Rules(retriever.image_size, int(filter_), max_pixels, most_bytes)


def decode_here(candidate: Candidate, rules: Rules) -> Outcome:
    """Look into a single candidate in this process and thread, within the rules' memory."""
    known = candidate.known
    known_sha256 = "" if known is None else known.sha256
    job = Job(candidate.place, None, known_sha256, may_have_moved=False, granted=rules.most_bytes)
    return outcome_of(candidate, look(job, rules, lambda _: None))
