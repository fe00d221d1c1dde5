"""No secret stands in params.yaml: what is refused there, and where secrets are read from instead."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.errors import InputError, without_secrets

ADDRESS = re.compile(r"//[^/?#\s]*@|[?&;]\s*(password|passwd|token|secret|sig|signature|api_?key)=", re.IGNORECASE)
KEYWORDS = re.compile(r"\b(password|passwd)\s*=", re.IGNORECASE)  # as in "host=db password=..."
NAME = re.compile(
    r"(auth|authorization|pass(word|wd)?|secret|token|credentials?|signature|cookie|(api|access|private)[-_.]?key)$",
    re.I,
)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FROM = "_from"  # how the name of a setting ends that names a variable
HIDDEN = 4  # characters from which on a value is hidden


def refuse_secret(address: str) -> str:
    """An address as it is, if it holds no user or password."""
    if "@" in address or ADDRESS.search(address):
        raise ValueError("a secret does not belong in an address: set the AWS_* variables")
    return address


def refuse_secrets(settings: Mapping[str, Any]) -> None:
    """Refuse settings that hold a secret, without telling it.

    Raises:
        ValueError: It names the setting.
    """
    for path, value in leaves(settings):
        name = path[-1]
        if any(part.endswith(FROM) for part in path):
            if not VARIABLE.fullmatch(value):
                raise ValueError(f"{'.'.join(path)} must be the name of a variable, such as DATABASE_URL")
        elif NAME.search(name) or ADDRESS.search(value) or KEYWORDS.search(value):
            raise ValueError(
                f"{'.'.join(path)} holds a secret, which does not belong in a file: put it into a variable, and name "
                f"that in {path[0]}{FROM}"
            )


def leaves(settings: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each text or number in nested settings, with the names that lead to it."""
    for name, value in settings.items():
        here = (*path, str(name))
        if isinstance(value, Mapping):
            yield from leaves(value, here)
        elif isinstance(value, list):
            yield from leaves({str(number): item for number, item in enumerate(value)}, here)
        elif value is not None and not isinstance(value, bool):
            yield here, str(value)


def read_secret(variable: str, what: str) -> str:
    """The value of a variable of the environment.

    Args:
        variable: Its name.
        what: What it must hold, for the sentence that says that it is not set.

    Raises:
        InputError: It is not set.
    """
    if not (value := os.environ.get(variable)):
        raise InputError(f"the variable {variable} is not set: it must hold {what}")
    return value


def hide(text: str, *secrets: str) -> str:
    """The text without secrets, nor the passwords of addresses among them."""
    passwords = [
        match[1] or match[2]
        for secret in secrets
        for match in re.finditer(r"//[^/@:]*:([^@/]*)@|password=(\S+)", secret)
    ]
    for secret in sorted({*secrets, *filter(None, passwords)}, key=len, reverse=True):
        if len(secret) >= HIDDEN:
            text = text.replace(secret, "***")
    return without_secrets(text)
