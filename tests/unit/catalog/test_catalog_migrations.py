"""The migrations build what the tables say, and bring old catalogs there without loss."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from blipsearch.catalog.revisions import Migrations
from blipsearch.errors import LibraryError, LibraryNotFoundError, LibraryRevisionError
from blipsearch.library import Library, upgrade_library
from blipsearch.tables import Base
from tests.unit.collection_makers import indexed_file, new_collection

OLD = Path(__file__).parents[2] / "data" / "libraries"
HEAD = Migrations.shipped().head

_NEXT = f'''
"""Remember who took a picture."""
import sqlalchemy as sa
from alembic import op
revision = "next"
down_revision = "{HEAD}"
def upgrade():
    op.add_column("images", sa.Column("artist", sa.Text()))
'''
_BROKEN = '''
"""Change something, then fail."""
import sqlalchemy as sa
from alembic import op
revision = "broken"
down_revision = "next"
def upgrade():
    op.drop_table("answers")
    op.execute("INSERT INTO nowhere VALUES (1)")
'''


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog of this program's revision, with one image."""
    with new_collection(tmp_path / "library") as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, "a.jpg")])
    return tmp_path / "library" / "catalog.sqlite"


@pytest.fixture
def newer(tmp_path: Path) -> Migrations:
    """The migrations of a program one revision ahead."""
    directory = tmp_path / "newer program 100%"
    shutil.copytree(Migrations.shipped().directory, directory)
    (directory / "versions" / "next_artist.py").write_text(_NEXT)
    return Migrations(directory)


def _columns(catalog: Path) -> list[str]:
    with closing(sqlite3.connect(catalog)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(images)")]


def _rows(catalog: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of the tables that there are, as values by column name."""
    rows: dict[str, list[dict[str, object]]] = {}
    with closing(sqlite3.connect(catalog)) as connection:
        connection.row_factory = sqlite3.Row
        for table in (*Base.metadata.tables, "captions_fts", "sqlite_sequence"):
            rows[table] = []
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone():
                found = connection.execute(f"SELECT * FROM {table}")  # noqa: S608
                rows[table] = [dict(row) for row in found]
    return rows


def test_the_migrated_schema_is_that_of_the_tables(catalog: Path) -> None:
    engine = create_engine(f"sqlite:///{catalog}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _parents: (
                    kind != "table" or not str(name).startswith("captions_fts")
                )
            },
        )
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


def test_checks_cascades_and_counting_ids_are_those_of_the_tables(
    tmp_path: Path, catalog: Path
) -> None:
    """What a comparison of metadata does not look at."""
    built = tmp_path / "built.sqlite"
    engines = [create_engine(f"sqlite:///{path}") for path in (built, catalog)]
    Base.metadata.create_all(engines[0])
    of_tables, of_migrations = (inspect(engine) for engine in engines)
    for table in Base.metadata.tables:
        for facts in ("get_check_constraints", "get_foreign_keys", "get_table_options"):
            of_one = getattr(of_tables, facts)(table)
            of_other = getattr(of_migrations, facts)(table)
            assert of_one == of_other, (table, facts)
    counting = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"
    with closing(sqlite3.connect(built)) as one, closing(sqlite3.connect(catalog)) as other:
        assert one.execute(counting).fetchall() == other.execute(counting).fetchall() != []
    for engine in engines:
        engine.dispose()


def test_an_older_catalog_is_refused_with_the_command_that_upgrades_it(
    catalog: Path, newer: Migrations
) -> None:
    before = catalog.read_bytes()
    with pytest.raises(LibraryRevisionError, match="blipsearch upgrade --library"):
        newer.check(catalog)
    assert catalog.read_bytes() == before


def test_an_upgrade_keeps_the_rows_and_a_copy_of_what_was(catalog: Path, newer: Migrations) -> None:
    assert newer.upgrade(catalog) == (HEAD, "next")
    newer.check(catalog)
    assert "artist" in _columns(catalog)
    (copy,) = catalog.parent.glob(f"catalog-{HEAD}-*.sqlite")
    assert "artist" not in _columns(copy)
    Migrations.shipped().check(copy)
    for path in (catalog, copy):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT path FROM images").fetchall() == [("a.jpg",)]


def test_a_library_from_before_image_states_is_upgraded_with_all_its_rows(tmp_path: Path) -> None:
    shutil.copytree(OLD / "0001", tmp_path / "library")
    catalog = tmp_path / "library" / "catalog.sqlite"
    before = _rows(catalog)
    assert upgrade_library(tmp_path / "library") == ("0001", HEAD)
    with Library.open(tmp_path / "library") as library:
        (photos,) = library.collections()
    assert (photos.states_kind, photos.states_budget) == ("float16", 20_000_000_000)
    for collection in before["collections"]:
        collection.update(states_kind="float16", states_budget=20_000_000_000)
    for source in before["sources"]:
        source.update(kind="folder")
    for image in before["images"]:
        image.update(lasting=1)
    assert _rows(catalog) == before


def test_an_upgraded_library_has_its_own_pictures_with_it_where_it_is_copied(
    tmp_path: Path,
) -> None:
    old = tmp_path / "old"
    shutil.copytree(OLD / "0004", old)
    with closing(sqlite3.connect(old / "catalog.sqlite")) as connection:
        connection.execute("UPDATE sources SET root = ?", [str(old / "uploads-1")])
        connection.commit()
    assert upgrade_library(old) == ("0004", HEAD)
    old.rename(tmp_path / "moved")
    with Library.open(tmp_path / "moved") as library, library.collection("photos") as photos:
        (source,) = photos.sources()
        assert source.root == str(tmp_path / "moved" / "uploads-1")
        assert photos.image(1).absolute_path == f"{source.root}/boat.jpg"
        assert photos.add_source(source.root) == source


@pytest.mark.parametrize(
    "setting",
    [
        "collections SET states_kind = 'float64'",
        "collections SET states_kind = NULL",
        "collections SET states_budget = -1",
        "sources SET kind = 'drawer'",
        "images SET lasting = NULL",
    ],
)
def test_an_upgraded_catalog_refuses_what_a_new_one_refuses(
    tmp_path: Path, catalog: Path, setting: str
) -> None:
    shutil.copytree(OLD / "0001", tmp_path / "old")
    upgrade_library(tmp_path / "old")
    for path in (catalog, tmp_path / "old" / "catalog.sqlite"):
        with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError):
            connection.execute(f"UPDATE {setting}")


def test_an_upgrade_that_fails_changes_nothing(catalog: Path, newer: Migrations) -> None:
    (newer.directory / "versions" / "broken.py").write_text(_BROKEN)
    with pytest.raises(LibraryError, match="no such table: nowhere"):
        newer.upgrade(catalog)
    assert Migrations.shipped().revision(catalog) == HEAD
    assert "artist" not in _columns(catalog)
    with Library.open(catalog.parent) as library:
        assert library.collections()[0].indexed == 1


def test_a_newer_catalog_is_refused_and_left_byte_for_byte(
    catalog: Path, newer: Migrations
) -> None:
    newer.upgrade(catalog)
    before = catalog.read_bytes()
    for attempt in (Library.open, upgrade_library):
        with pytest.raises(LibraryRevisionError, match="made by a newer blipsearch"):
            attempt(catalog.parent)
    with pytest.raises(LibraryRevisionError, match="made by a newer blipsearch"):
        Library.open(catalog.parent, create=True)
    assert catalog.read_bytes() == before


def test_upgrading_what_is_up_to_date_leaves_no_copy(catalog: Path) -> None:
    assert upgrade_library(catalog.parent) == (HEAD, HEAD)
    assert not list(catalog.parent.glob("catalog-*"))


def test_upgrading_nothing_says_how_to_make_a_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError, match="blipsearch index SOURCE --library"):
        upgrade_library(tmp_path)
    assert not list(tmp_path.iterdir())
