"""Do captions help to find pictures? Full text off, beside the embeddings, or instead of them.

Every scene's full caption is searched for in a collection of all of them, half of them twins of
another. Pictures have a caption by the built-in captioning checkpoint (all of them, or every other
one), or a short text as a user may have given: one of the scene's shorter true captions.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from blipsearch.blip import BlipCaptioner, BlipRetriever
from blipsearch.blip.captioner import PROMPT
from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.picturebook import grammar
from blipsearch.picturebook.render import render
from blipsearch.picturebook.scene import Scene
from blipsearch.schemas import Hybrid
from blipsearch.search import Searcher
from indexer.indexing import index_collection

PICTURE_SIZE = 256
FIRST = 10
WAYS: tuple[Hybrid, ...] = ("off", "on", "only")

Texts = Callable[[int], str | None]


def measure_hybrid(
    retriever: BlipRetriever, scenes: Sequence[Scene], folder: Path
) -> dict[str, dict[str, tuple[float, float]]]:
    """R@1 and R@10 of each way, after the rerank and without, by which texts there are."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for number, scene in enumerate(scenes):
        render(scene, PICTURE_SIZE).save(pictures / f"{number:05}.png")
    captions = _captions(scenes)
    short = [min(grammar.captions(s, random.Random(s.seed)), key=len) for s in scenes]
    kinds: dict[str, Texts] = {
        "a caption of every picture": captions.__getitem__,
        "a caption of every other one": lambda i: None if i % 2 else captions[i],
        "a short text of a user": short.__getitem__,
    }
    found = {}
    with Library.open(folder / "library", create=True) as library:
        for number, (name, texts) in enumerate(kinds.items()):
            with library.create_collection(f"texts-{number}", retriever.identity) as collection:
                index_collection(collection, retriever, [str(pictures)])
                _write_texts(collection, texts)
                found[name] = _recalls(Searcher(collection, retriever, max_pixels=10**7), scenes)
    return found


def _captions(scenes: Sequence[Scene]) -> list[str]:
    captioner = BlipCaptioner.from_pretrained("builtin")
    told: list[str] = []
    for start in range(0, len(scenes), 64):
        pictures = [render(scene, PICTURE_SIZE) for scene in scenes[start : start + 64]]
        told += captioner.caption(pictures, prompt=PROMPT)
    return [caption.removeprefix(PROMPT) for caption in told]


def _write_texts(collection: Collection, texts: Texts) -> None:
    for entry in collection.entries():
        text = texts(int(Path(entry.path).stem))
        if text is not None:
            collection.add_caption(entry.id, text, "builtin")


def _recalls(searcher: Searcher, scenes: Sequence[Scene]) -> dict[str, tuple[float, float]]:
    recalls = {}
    for way in WAYS:
        for rerank in (False, True):
            ranks = []
            for number, scene in enumerate(scenes):
                response = searcher.search(
                    grammar.full_caption(scene), limit=FIRST, rerank=rerank, hybrid=way
                )
                paths = [Path(hit.path).stem for hit in response.hits]
                own = f"{number:05}"
                ranks.append(paths.index(own) if own in paths else FIRST)
            told = np.array(ranks)
            name = f"{way}, {'reranked' if rerank else 'no rerank'}"
            recalls[name] = (float((told == 0).mean()), float((told < FIRST).mean()))
    return recalls
