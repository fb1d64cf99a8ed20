"""`blipsearch index`: build a collection, or bring it up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from blipsearch.options import (
    CollectionOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LibraryOption,
    MaxMegapixelsOption,
    VectorMemoryOption,
    VectorRecallOption,
    make_app,
)

app = make_app()

SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Folders (with all folders below), image files, patterns like 'photos/**/*.jpg'.",
        show_default=False,
    ),
]
CheckpointOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="C",
        help="A Hub name, a directory or `builtin` "
        "(the collection's own; for a new one Salesforce/blip-itm-base-coco).",
    ),
]
StatesOption = Annotated[
    str | None,
    typer.Option(
        "--states",
        metavar="KIND",
        help="How image states are kept for reranking: float16, int8 (half the disk), merged "
        "(a quarter) or none (the collection's own; for a new one float16).",
    ),
]
StatesBudgetOption = Annotated[
    str | None,
    typer.Option(
        "--states-budget",
        metavar="SIZE",
        help="Bytes the states may take at most, as in 20GB "
        "(the collection's own; for a new one 20GB).",
    ),
]


@app.command()
def index(  # noqa: PLR0913  # a command's options are its interface
    sources: SourcesArgument,
    *,
    collection: CollectionOption = None,
    checkpoint: CheckpointOption = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images the network sees at a time (8).")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads that decode ahead (one per core).")
    ] = None,
    max_megapixels: MaxMegapixelsOption = None,
    states: StatesOption = None,
    states_budget: StatesBudgetOption = None,
    vector_memory: VectorMemoryOption = None,
    vector_recall: VectorRecallOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index images: embed what is new or changed in the sources, and leave the rest alone."""
    from blipsearch.settings import make_settings
    from indexer.sources import resolve_sources

    settings = make_settings(
        library=library,
        collection=collection,
        checkpoint=checkpoint,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        decode_threads=threads,
        max_megapixels=max_megapixels,
        states=states,
        states_budget=states_budget,
        vector_memory=vector_memory,
        vector_recall=vector_recall,
    )
    resolve_sources(sources)
    # Only now: it loads torch, for which neither `--help` nor a mistyped source should wait.
    from indexer.run import run_index

    raise typer.Exit(run_index(sources, settings, checkpoint=checkpoint, as_json=as_json))
