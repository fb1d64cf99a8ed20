"""A service whose collection outgrows its memory builds a smaller index beside the one in use."""

from __future__ import annotations

import time
from pathlib import Path

from starlette.testclient import TestClient

from api.app import create_app
from blipsearch.blip import BlipRetriever
from blipsearch.settings import make_settings
from tests.support import HERE
from tests.unit.search_makers import searching, vectors_of, write_images

COUNT = 1200
SEARCH = "/v1/collections/photos/search"


def test_a_better_index_is_built_in_the_background_and_taken_over(
    tmp_path: Path, golden: Path
) -> None:
    retriever = BlipRetriever.from_pretrained(golden / "itm")
    vectors = vectors_of(COUNT, 1, retriever.dim)
    with searching(tmp_path, retriever) as (_, collection):
        ids = write_images(collection, vectors)
        exact_bytes = collection.index_info.bytes
    settings = make_settings(
        library=tmp_path, device="cpu", vector_memory=exact_bytes // 2, vector_recall=0.9
    )
    body = {"vector": vectors[5].tolist(), "limit": 1, "explain": True}
    with TestClient(create_app(settings), base_url=HERE) as client:
        kinds = set()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = client.post(SEARCH, json=body).json()
            assert [hit["id"] for hit in found["hits"]] == [ids[5]]
            kinds.add(found["explanation"]["index"])
            if kinds - {"exact"}:
                break
            time.sleep(0.05)
    assert any(kind.startswith("IVF") for kind in kinds)
    assert found["explanation"]["lists"] > 0
