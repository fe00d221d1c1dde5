"""No secret stands in params.yaml: what is refused there, and where secrets are read from instead."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.errors import InputError, without_secrets

KEY = r"(api|access|private|subscription|client|secret|shared)[-_.]?key"
WORDS = rf"(auth|authorization|pass|passwd|password|pwd|secret|token|credentials?|signature|sig|cookie|appid|{KEY})"
ADDRESS = re.compile(rf"//[^/?#\s]*@|[?&;](([^=&]*[-_.])?{WORDS}|key)=", re.IGNORECASE)
VALUE = re.compile(r"(password|passwd|pwd|secret)\s*=|^(bearer|basic)\s|PRIVATE KEY|^[^/\s@]+:[^/\s@]+@", re.IGNORECASE)
NAME = re.compile(
    rf"^key$|(^|[-_.]){WORDS}$|[-_.]key[-_.](pem|password)$|(password|secret|token|apikey)$", re.IGNORECASE
)
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
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
        if any(part.endswith(FROM) for part in path):
            if not VARIABLE.fullmatch(value):
                raise ValueError(f"{'.'.join(path)} must be the name of a variable, such as DATABASE_URL")
        elif any(map(NAME.search, path)) or ADDRESS.search(value) or VALUE.search(value):
            where = (
                f"{path[0]}{FROM}"
                if path[0] in ("params", "headers", "options")
                else f"a setting that ends with {FROM}"
            )
            raise ValueError(
                f"{'.'.join(path)} looks like a secret, which does not belong in a file: put it into a variable, "
                f"and name that in {where}"
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
    if not (value := os.environ.get(variable, "").strip()):
        raise InputError(
            f"the variable {variable} is not set: it must hold {what}; `set -a; . ./.env; set +a` reads .env"
        )
    return value


def read_secrets(variables: Mapping[str, str], source: str) -> dict[str, str]:
    """The values of the variables that settings of a source name, by the names that they are for.

    Raises:
        InputError: One is not set.
    """
    return {name: read_secret(variable, f"a secret of source {source}") for name, variable in variables.items()}


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
