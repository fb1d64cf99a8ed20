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
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]SOURCE",
        help="Folders (with all folders below), image files, patterns like 'photos/**/*.jpg', "
        "archives (.zip, .tar), lists (.jsonl, .csv, .parquet), URLs (https://, s3://, gs://); "
        "none: all that the collection knows.",
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
IntoOption = Annotated[
    str | None,
    typer.Option(
        "--into",
        metavar="NEW",
        help="Embed the collection's images once more, into the collection NEW, by --checkpoint.",
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
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Bytes the run may take in memory beside the checkpoint, as in 2GB (1GiB).",
    ),
]
CaptionCheckpointOption = Annotated[
    str | None,
    typer.Option(
        "--caption-checkpoint",
        metavar="C",
        help="Which checkpoint writes them (Salesforce/blip-image-captioning-base).",
    ),
]
CaptionThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--caption-threshold",
        metavar="P",
        help="A caption that matches less is written again (0.5).",
    ),
]


@app.command()
def index(  # noqa: PLR0913  # a command's options are its interface
    sources: SourcesArgument = None,
    *,
    collection: CollectionOption = None,
    checkpoint: CheckpointOption = None,
    into: IntoOption = None,
    library: LibraryOption = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove images for good whose files are gone.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and index what changes within seconds.")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Look behind symbolic links, too.")
    ] = False,
    path_column: Annotated[
        str | None,
        typer.Option("--path-column", metavar="C", help="The column of a list that names images."),
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions", help="Write a caption for each image that has none.")
    ] = False,
    caption_checkpoint: CaptionCheckpointOption = None,
    caption_threshold: CaptionThresholdOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Images the network sees at a time (8; on a GPU found by trial)."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="How many decode ahead (one per core).")
    ] = None,
    memory: MemoryOption = None,
    decode_timeout: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds after which a file is given up (60)."),
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
    from indexer.preflight import check_run
    from indexer.request import Request
    from indexer.sources import SourceRules

    if into is not None and (sources or watch or prune):
        raise typer.BadParameter(
            "--into embeds what the collection holds; leave out SOURCE, --watch and --prune"
        )
    settings = make_settings(
        library=library,
        collection=collection,
        checkpoint=checkpoint,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        decode_threads=threads,
        index_memory=memory,
        decode_timeout=decode_timeout,
        max_megapixels=max_megapixels,
        caption_checkpoint=caption_checkpoint,
        caption_threshold=caption_threshold,
        states=states,
        states_budget=states_budget,
        vector_memory=vector_memory,
        vector_recall=vector_recall,
    )
    request = Request(
        settings,
        tuple(sources or ()),
        checkpoint=checkpoint,
        into=into,
        rules=SourceRules(follow_links=follow_links, path_column=path_column),
        prune=prune,
        watch=watch,
        captions=captions,
        as_json=as_json,
    )
    check_run(request)
    # Only now: it loads torch, for which neither `--help` nor a mistyped source should wait.
    from indexer.run import run_index

    raise typer.Exit(run_index(request))
