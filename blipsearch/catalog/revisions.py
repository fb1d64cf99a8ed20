"""The schema's revision: checking it without touching the file, creating and upgrading catalogs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from blipsearch.catalog.sqlite import (
    DRIVER_ERRORS,
    copy_database,
    make_engine,
    read_revision,
    translated,
    write_engine,
)
from blipsearch.errors import LibraryError, LibraryNotFoundError, LibraryRevisionError

__all__ = ["Migrations"]


@dataclass(frozen=True, slots=True)
class Migrations:
    """The Alembic migrations in one directory, applied to a catalog file."""

    directory: Path

    @classmethod
    def shipped(cls) -> Migrations:
        """This program's migrations: in the installed package, or beside it in a checkout."""
        package = Path(__file__).resolve().parents[1]
        inside = package / "migrations"
        return cls(inside if inside.is_dir() else package.parent / "migrations")

    @property
    def head(self) -> str:
        """The revision this program works with."""
        head = self._scripts().get_current_head()
        if head is None:
            raise LibraryError(f"no migrations in {self.directory}; install blipsearch again")
        return head

    def check(self, database: Path) -> None:
        """Raise unless the catalog is of this program's revision. The file is only read.

        LibraryNotFoundError where there is none, LibraryRevisionError where it is older or newer,
        LibraryError where it is damaged or something else.
        """
        revision = self.revision(database)
        if revision == self.head:
            return
        self._refuse_unknown(database, revision)
        raise LibraryRevisionError(
            f"the library {database.parent} has schema {revision}, this blipsearch needs "
            f"{self.head}; run `blipsearch upgrade --library {_quoted(database)}`"
        )

    def is_current(self, database: Path) -> bool:
        """Whether a catalog is of this program's revision, and not of an older one; only read.

        Raises what `check` raises, but for an older revision.
        """
        revision = self.revision(database)
        if revision != self.head:
            self._refuse_unknown(database, revision)
        return revision == self.head

    def create(self, database: Path) -> None:
        """Bring a new or empty file to the newest revision, in one transaction."""
        self._migrate(database)

    def upgrade(self, database: Path) -> tuple[str, str]:
        """Bring a catalog to the newest revision; returns the revisions before and after.

        Where something is to change, the catalog is first copied to a file beside it. Raises what
        `check` raises, but for an older revision.
        """
        before = self.revision(database)
        if before != self.head:
            self._refuse_unknown(database, before)
            _back_up(database, before)
            self._migrate(database)
        return before, self.head

    def revision(self, database: Path) -> str:
        """Read the catalog's revision, and only read. Raises LibraryNotFoundError, LibraryError."""
        if not database.is_file():
            raise _no_library(database)
        tables, revision = read_revision(database)
        if not tables:
            raise _no_library(database)
        if revision is None:
            raise LibraryError(
                f"{database} is a database, but not a blipsearch catalog; "
                "choose another directory with --library"
            )
        return revision

    def _refuse_unknown(self, database: Path, revision: str) -> None:
        if revision not in {script.revision for script in self._scripts().walk_revisions()}:
            raise LibraryRevisionError(
                f"the library {database.parent} was made by a newer blipsearch (schema {revision}, "
                f"this one knows {self.head}); upgrade blipsearch with "
                "`pip install --upgrade blipsearch`"
            )

    def _migrate(self, database: Path) -> None:
        engine = write_engine(make_engine(database))
        config = self._config()
        try:
            with engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except DRIVER_ERRORS as error:
            raise translated(error, database) from error
        finally:
            engine.dispose()

    def _scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self._config())

    def _config(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(self.directory).replace("%", "%%"))
        return config


def _back_up(database: Path, revision: str) -> None:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    copy_database(
        database, database.with_name(f"{database.stem}-{revision}-{moment}{database.suffix}")
    )


def _no_library(database: Path) -> LibraryNotFoundError:
    return LibraryNotFoundError(
        f"there is no library in {database.parent}; "
        f"make one with `blipsearch index SOURCE --library {_quoted(database)}`"
    )


def _quoted(database: Path) -> str:
    return shlex.quote(str(database.parent))
