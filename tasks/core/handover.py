"""What the batch side hands to the endpoints: for each model the champion, and the context of its features."""

from typing import ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from tasks.core.errors import StoreError, first_line
from tasks.core.store import sha256, store

FOLDER = "serving"  # of the store
ANSWERS = "served"  # of the store: what endpoints answered, until predict or tidy takes it in
SENT = "endpoint-rows-"  # begins the names of files of rows that were sent to an endpoint and checked one by one


class Handover(BaseModel):
    """A file of serving/MODEL/ that names files by their digests; it is replaced whole."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    NAME: ClassVar[str]

    @classmethod
    def file(cls, model: str) -> str:
        """Its name in the store."""
        return f"{FOLDER}/{model}/{cls.NAME}"

    @classmethod
    def read(cls, model: str) -> Self | None:
        """What was handed over last; None before the first time.

        Raises:
            StoreError: It cannot be read.
        """
        content = store().find(cls.file(model))
        try:
            return cls.model_validate_json(content) if content is not None else None
        except ValidationError as error:
            raise StoreError(f"{store().address}/{cls.file(model)} cannot be read: {first_line(error)}") from None

    def write(self, model: str) -> None:
        """Hand it over, whole or not at all; the same again changes nothing."""
        content = self.model_dump_json(indent=2).encode()
        if store().find(self.file(model)) != content:
            store().put(self.file(model), content)


class Version(BaseModel):
    """A model version and the files of its bundle with their sha256."""

    model_config = ConfigDict(frozen=True)

    version: str
    bundle: str
    digests: dict[str, str]


class ServedChampion(Handover):
    """Who answers: the champion, and the version before it, whose score is logged beside."""

    NAME = "champion.json"
    champion: Version
    predecessor: Version | None
    entry: int  # of the decision log, by which it is so


class ContextTable(BaseModel):
    """The rows of one table."""

    model_config = ConfigDict(frozen=True)

    digest: str
    newest: AwareDatetime | None  # when the last of its rows, or of their outcomes, became known; None: it always was


class ServingContext(Handover):
    """The rows that features of new rows are made of."""

    NAME = "context.json"
    data_version: str
    as_of: AwareDatetime
    start: AwareDatetime  # events before it would lack part of their past
    until: AwareDatetime | None  # events after it are refused; None: horizon after now
    tables: dict[str, ContextTable]


def keep_context_file(content: bytes) -> str:
    """Keep the rows of a table, once for all models and versions in which they are the same; returns the digest."""
    digest = sha256(content)
    if not store().has(context_file(digest)):
        store().put(context_file(digest), content)
    return digest


def context_file(digest: str) -> str:
    """Where rows lie that were kept under a digest."""
    return f"{FOLDER}/context/{digest}.parquet"
