"""The store: what the loop keeps for good, in a folder of the workspace or under s3://bucket/prefix."""

import hashlib
import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from tasks.core.errors import StoreError, first_line
from tasks.core.files import atomic_write
from tasks.core.params import Params
from tasks.core.workspace import workspace


def endpoint_fault() -> str | None:
    """Why no object store can be reached by the variables."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is None or endpoint.startswith(("http://", "https://")):
        return None
    return "AWS_ENDPOINT_URL must begin with http:// or https://; without one, unset it"


class Store:
    """Files by name; tables lie beside them (tasks/core/tables.py)."""

    def __init__(self, address: str) -> None:
        self.address = address if "://" in address else str(workspace().root / address)
        self.remote = "://" in address
        if why := self.fault():
            raise StoreError(f"store: {why}")

    def fault(self) -> str | None:
        """Why this can be no store."""
        folder = Path(self.address)
        if self.address.startswith("s3://"):
            return endpoint_fault()
        if ":/" in self.address:
            return f"{self.address} is neither a folder nor s3://bucket/prefix"
        if re.search(r"[\[\]]|%[0-9A-Fa-f]{2}", self.address):
            return f"{folder}: tables cannot lie in a folder with [, ] or such as %20 in its path"
        if folder.exists() and not folder.is_dir():
            return f"{folder} is a file, not a folder"
        if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
            return f"{folder} cannot be read: look at its permissions"
        if not folder.is_relative_to(workspace().root) and not folder.parent.is_dir():
            return f"{folder.parent} is not there: is the drive mounted?"
        return None

    def read(self, name: str, digest: str) -> bytes:
        """A file that was kept under this sha256; one of a store elsewhere is fetched once, and again if damaged.

        Raises:
            InputError: It is missing or changed.
        """
        path = (workspace().fetched if self.remote else Path(self.address)) / name
        try:
            content = path.read_bytes() if path.is_file() else None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {first_line(error)}; look at its permissions") from None
        if self.remote and (content is None or sha256(content) != digest):
            content = self._fetch(name)
            if sha256(content) == digest:
                with atomic_write(path) as part:
                    part.write_bytes(content)
        file = f"{self.address}/{name}"
        if content is None:
            raise StoreError(f"{file} is missing: restore it from a backup")
        if sha256(content) != digest:
            raise StoreError(f"{file} is not the file that was registered (sha256 differs): restore it from a backup")
        return content

    def forget_copies(self) -> None:
        """Let everything be fetched again, as who checks the store itself must."""
        if self.remote:
            shutil.rmtree(workspace().fetched, ignore_errors=True)

    def put(self, name: str, content: bytes) -> None:
        """Keep a file, whole or not at all."""
        try:
            if self.remote:
                files, root = self._open()
                files.pipe_file(f"{root}/{name}", content)
            else:
                with atomic_write(Path(self.address) / name) as part:
                    part.write_bytes(content)
        except Exception as error:  # whatever a client of an object store raises
            raise StoreError(f"{self.address}/{name} cannot be written: {first_line(error)}") from None

    def find(self, name: str) -> bytes | None:
        """The file as it is now, of which nobody keeps a digest; None if there is none.

        Raises:
            StoreError: The store cannot be reached, or the file not be read.
        """
        try:
            if self.remote:
                files, root = self._open()
                return files.cat_file(f"{root}/{name}")
            return (Path(self.address) / name).read_bytes()
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a client of an object store raises
            raise StoreError(f"{self.address}/{name} cannot be read: {first_line(error)}") from None

    def has(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            StoreError: The store cannot be reached.
        """
        try:
            files, root = self._open()
            files.invalidate_cache()
            return bool(files.exists(f"{root}/{name}"))
        except Exception as error:  # whatever a client of an object store raises
            raise StoreError(f"{self.address}/{name} cannot be read: {first_line(error)}") from None

    def list(self, folder: str) -> list[str]:
        """The names of all files below a folder, in order.

        Raises:
            StoreError: The store cannot be reached.
        """
        try:
            files, root = self._open()
            files.invalidate_cache()
            return sorted(str(path).removeprefix(f"{root}/") for path in files.find(f"{root}/{folder}"))
        except FileNotFoundError:
            return []
        except Exception as error:  # whatever a client of an object store raises
            raise StoreError(f"{self.address}/{folder} cannot be listed: {first_line(error)}") from None

    def age(self, name: str) -> timedelta:
        """How long ago a file was written; no time at all where it is gone."""
        try:
            files, root = self._open()
            return datetime.now(UTC) - files.modified(f"{root}/{name}").replace(tzinfo=UTC)
        except FileNotFoundError:
            return timedelta(0)
        except Exception as error:  # whatever a client of an object store raises
            raise StoreError(f"{self.address}/{name} cannot be read: {first_line(error)}") from None

    def remove(self, name: str) -> None:
        """Remove a file; that it is gone already is no fault."""
        try:
            files, root = self._open()
            files.rm_file(f"{root}/{name}")
        except FileNotFoundError:
            pass
        except Exception as error:  # whatever a client of an object store raises
            raise StoreError(f"{self.address}/{name} cannot be removed: {first_line(error)}") from None

    def _fetch(self, name: str) -> bytes:
        files, root = self._open()
        try:
            return files.cat_file(f"{root}/{name}")
        except FileNotFoundError:
            raise StoreError(f"{self.address}/{name} is missing: restore it from a backup") from None
        except Exception as error:  # whatever a client of an object store raises
            raise StoreError(f"{self.address}/{name} cannot be read: {first_line(error)}") from None

    def _open(self) -> tuple[Any, str]:
        return url_to_fs(self.address)


def store() -> Store:
    """The store of this workspace, as `store` of params.yaml names it."""
    return _open_store(workspace().root)


@cache
def _open_store(root: Path) -> Store:
    return Store(Params.load().store)


def keep_json(folder: str, content: Any) -> str:
    """Keep a JSON file under its own sha256; returns the digest."""
    text = json.dumps(content, sort_keys=True, default=str).encode()
    digest = sha256(text)
    store().put(f"{folder}/{digest}.json", text)
    return digest


def read_json(folder: str, digest: str) -> Any:
    """A JSON file that was kept under this digest.

    Raises:
        InputError: It is missing or changed.
    """
    return json.loads(store().read(f"{folder}/{digest}.json", digest))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
