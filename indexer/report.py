"""Report: what an index run did, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from blipsearch.wording import counted, printable
from indexer.records import CaptionSummary, IndexSummary

__all__ = ["summary_as_json", "summary_as_text"]


def summary_as_json(summary: IndexSummary, collection: str, images: int) -> str:
    """One JSON object: the summary, and the images that the collection holds now."""
    document = {"collection": collection, "images": images} | asdict(summary)
    if summary.captions is None:
        del document["captions"]
    pace = round(summary.images_per_second, 2)
    numbers = {"seconds": round(summary.seconds, 3), "images_per_second": pace}
    return json.dumps(document | numbers, indent=2) + "\n"


def summary_as_text(summary: IndexSummary, collection: str, images: int) -> str:
    """Lines for a terminal: the counts, each failure with its reason, and how quick it was."""
    counts = {
        "added": summary.added,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
        "moved": summary.moved,
        "missing": summary.missing,
        "failed": len(summary.failed),
    }
    if summary.pruned:
        counts["pruned"] = summary.pruned
    state = "interrupted" if summary.interrupted else "done"
    pace = f"{summary.images_per_second:.1f} images/s"
    if summary.limited_by is not None:
        pace += f", limited by {summary.limited_by}"
    lines = [f"{name:<10}{count:>9,}" for name, count in counts.items()]
    lines += [f"  {failed.path}: {failed.reason}" for failed in summary.failed]
    lines += _captions_as_text(summary.captions)
    lines.append(
        f"{state} in {summary.seconds:.1f} s ({pace}); "
        f"collection {collection!r} holds {counted(images, 'image')}"
    )
    return printable("\n".join(lines)) + "\n"


def _captions_as_text(captions: CaptionSummary | None) -> list[str]:
    if captions is None:
        return []
    said = []
    if captions.redrawn:
        said.append(f"{captions.redrawn:,} drawn again, {captions.below:,} still poor")
    if captions.match is not None:
        said.append(f"mean match {captions.match:.2f}")
    if captions.captioned:
        said.append(f"in {captions.seconds:.1f} s")
    details = f"  ({', '.join(said)})" if said else ""
    lines = [f"{'captioned':<10}{captions.captioned:>9,}{details}"]
    lines += [f"  not captioned: {one.path}: {one.reason}" for one in captions.failed]
    return lines
