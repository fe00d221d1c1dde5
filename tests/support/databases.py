"""A real PostgreSQL server on loopback, and databases of a test's own."""

import itertools
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from stack.local_stack import free_port, port_is_free

INSTALL = "PostgreSQL is not installed: apt-get install postgresql"
numbers = itertools.count()


class Database:
    """A database, asked over ADBC."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def run(self, *statements: str) -> None:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.uri, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def fill(self, table: str, rows: pl.DataFrame, mode: str = "append") -> None:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.uri, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows.cast({pl.Int16: pl.Int32}).to_arrow(), mode=mode)


class PostgreSQL:
    """A running server."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process, self.port = process, port

    def new_database(self) -> Database:
        name = f"test_{next(numbers)}"
        Database(self.address("postgres")).run(f"create database {name}")
        return Database(self.address(name))

    def address(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


def find_binaries() -> Path | None:
    """Where Debian, or another system, keeps the server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    path = shutil.which("postgres")
    return found[-1].parent if found else Path(path).resolve().parent if path else None


@contextmanager
def running_postgres(folder: Path) -> Generator[PostgreSQL]:
    """A server with an empty cluster; it never runs as root."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(INSTALL)
    user = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data, port = folder / "cluster", free_port()
    made = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
    command = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "-c", "fsync=off"], stdout=log, stderr=log, cwd=folder, **user)
    try:
        while port_is_free(port) or "ready to accept" not in (folder / "log").read_text():
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield PostgreSQL(process, port)
    finally:
        process.terminate()
        process.wait()
