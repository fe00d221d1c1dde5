"""The landing place: which files lie there, a folder or a prefix in an object store."""

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from botocore.exceptions import BotoCoreError, ClientError
from fsspec.core import url_to_fs

from tasks.core.errors import InputError, first_line, without_secrets
from tasks.core.files import durable_write
from tasks.core.handover import SENT
from tasks.core.journals import PART, recover
from tasks.core.store import endpoint_fault
from tasks.core.workspace import workspace
from tasks.data.folders import (
    FILES,
    Found,
    Listing,
    describe_name,
    is_delivery,
    list_folder,
    modified_at,
    to_nanoseconds,
)

DEFAULT = "landing"


class LandingPlace:
    """A folder of the workspace, or s3://bucket/prefix (AWS_* variables give address and credentials)."""

    def __init__(self, source: str, setting: str = "ingest.landing") -> None:
        self.source, self.remote, self.setting = source, "://" in source, setting
        if self.remote and not source.startswith("s3://"):
            raise InputError(f"{setting} {source} is neither a folder nor s3://bucket/prefix")
        if self.remote and (why := endpoint_fault()):
            raise InputError(f"{setting} {source}: {why}")
        self.root = workspace().root / source

    @property
    def address(self) -> str:
        """The same on all machines that share it, another on those that do not."""
        return self.source if self.remote else f"{socket.gethostname()}:{self.root.resolve()}"

    def list(self) -> Listing:
        """All files below it, by the time that they were modified, then by name.

        Raises:
            InputError: It cannot be looked at.
        """
        found = self._list_bucket() if self.remote else list_folder(self._folder())
        return Listing(found.files.sort("modified", "file"), found.troubles)

    def recover(self) -> None:
        """Finish the files of rows that were sent to an endpoint which is gone."""
        if not self.remote:
            for folder in {path.parent for path in self.root.glob(f"*/{SENT}*{PART}")}:
                recover(folder, SENT)

    def read(self, file: Found) -> bytes | None:
        """The content of a file; None if it changed or vanished since it was listed: the next run sees it again.

        Raises:
            OSError: It cannot be read.
        """
        try:
            content = self._read(file.name)
        except FileNotFoundError:
            return None
        if len(content) != file.size or not self.remote and self._modified(file.name) != file.modified:
            return None
        return content

    def read_beside(self, file: Found, suffix: str) -> bytes | None:
        """The content of NAME + suffix, if there is such a file."""
        try:
            return self._read(file.name + suffix)
        except OSError:
            return None

    def find(self, beginning: str) -> dict[str, datetime]:
        """When each file was modified whose name begins so, with a table's folder and more.

        Raises:
            InputError: They cannot be looked at.
        """
        folder, _, start = beginning.rpartition("/")
        if self.remote:
            return self._find_remote(folder, start)
        try:
            beside = [path.name for path in (self._folder() / folder).iterdir() if path.name.startswith(start)]
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InputError(
                f"{self.root / folder} cannot be read: {error.strerror}; look at its permissions"
            ) from None
        found = {f"{folder}/{name}": self._modified(f"{folder}/{name}") for name in filter(is_delivery, beside)}
        return {name: modified for name, modified in found.items() if modified is not None}

    def _find_remote(self, folder: str, start: str) -> dict[str, datetime]:
        files, root = url_to_fs(self.source)
        files.invalidate_cache()
        try:
            found = files.find(f"{root}/{folder}", prefix=start, detail=True)
        except (OSError, BotoCoreError, ClientError) as error:
            raise InputError(self._tell(error)) from None
        return {path.removeprefix(f"{root}/"): facts["LastModified"] for path, facts in found.items()}

    def write(self, name: str, content: bytes, after: datetime | None = None) -> datetime:
        """Keep a file, whole or not at all; it is on the disk when this returns.

        Args:
            name: Of the file.
            content: Of the file.
            after: A moment that it counts as newer than, whatever the clock of this machine says; an object store has
                a clock of its own.

        Returns:
            When it counts as modified.

        Raises:
            OSError: It cannot be written.
        """
        if self.remote:
            files, root = url_to_fs(self.source)
            try:
                files.pipe_file(f"{root}/{name}", content)
            except (BotoCoreError, ClientError) as error:
                raise OSError(self._tell(error)) from None
            return datetime.now(UTC)
        with durable_write(self.root / name) as part:
            part.write_bytes(content)
            modified = modified_at(part.stat().st_mtime_ns)
            if after is not None and modified <= after:
                modified = after + timedelta.resolution
                os.utime(part, ns=(to_nanoseconds(modified), to_nanoseconds(modified)))
        return modified

    def open(self, name: str) -> bytes:
        """The content of a file, whatever it is by now.

        Raises:
            OSError: It cannot be read.
        """
        return self._read(name)

    def _read(self, name: str) -> bytes:
        if not self.remote:
            return (self.root / name).read_bytes()
        files, root = url_to_fs(self.source)
        try:
            return files.cat_file(f"{root}/{name}")
        except (BotoCoreError, ClientError) as error:
            raise OSError(self._tell(error)) from None

    def _modified(self, name: str) -> datetime | None:
        """When a file was modified last; None if it is gone."""
        try:
            return modified_at((self.root / name).stat().st_mtime_ns)
        except FileNotFoundError:
            return None

    def _folder(self) -> Path:
        if self.source == DEFAULT and not os.path.lexists(self.root):
            self.root.mkdir(exist_ok=True)  # sources are read at the same time
        if not self.root.is_dir():
            raise InputError(f"{self.setting} names {self.source}, but there is no such folder: {self.root}")
        ours, own = self.root.resolve(), workspace()
        for folder in (own.root, own.data, own.store, own.state, own.cache):
            if folder.is_relative_to(ours) or (folder != own.root and ours.is_relative_to(folder)):
                raise InputError(
                    f"{self.setting} {self.source} would take in {folder}: give landed files a folder of their own"
                )
        return self.root

    def _list_bucket(self) -> Listing:
        files, root = url_to_fs(self.source)
        files.invalidate_cache()
        bucket = root.split("/")[0]
        try:
            files.call_s3("head_bucket", Bucket=bucket)
            found = files.find(root, detail=True)
        except FileNotFoundError:
            raise InputError(f"{self.setting} names {self.source}, but there is no such bucket") from None
        except (OSError, BotoCoreError, ClientError) as error:
            raise InputError(self._tell(error)) from None
        names = {path: path.removeprefix(f"{root}/") for path, facts in found.items() if facts["type"] == "file"}
        names = {path: name for path, name in names.items() if all(map(is_delivery, name.split("/")))}
        odd = [describe_name(self.source, name) for name in names.values() if not name.isprintable()]
        rows = [(name, found[path]["size"], found[path]["LastModified"]) for path, name in names.items()]
        kept = [row for row in rows if row[0].isprintable()]
        return Listing(pl.DataFrame(kept, schema=FILES, orient="row"), odd)

    def _tell(self, error: Exception) -> str:
        """One sentence about an object store that does not do what it was asked."""
        endpoint = without_secrets(os.environ.get("AWS_ENDPOINT_URL", "")) or "the endpoint"
        if isinstance(error, PermissionError) or "Forbidden" in str(error):
            why = f"{endpoint} refuses the key: look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        elif "connect" in str(error).lower():
            why = f"{endpoint} (AWS_ENDPOINT_URL) does not answer"
        else:
            why = f"{first_line(error)}; look at {self.setting} and the AWS_* variables"
        return f"{self.source} cannot be read: {why}"
