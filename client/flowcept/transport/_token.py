"""The token that goes with every call."""

from __future__ import annotations

import threading
from pathlib import Path

from flowcept.config import ClientSettings
from flowcept.errors import UnauthenticatedError, shorten

Metadata = tuple[tuple[str, str], ...]


class TokenSource:
    """Call metadata with the configured token; a token file is read again when it changes, so tokens may expire."""

    def __init__(self, settings: ClientSettings) -> None:
        self._path = settings.token_file
        self._token = settings.token
        self._metadata: Metadata = ()
        self._stamp: tuple[int, ...] | None = None
        self._lock = threading.Lock()

    def metadata(self) -> Metadata:
        """The metadata for the next call.

        Raises:
            UnauthenticatedError: The token file cannot be read, or there is no token in it.
        """
        with self._lock:
            if self._path is not None:
                self._read(self._path)
            elif self._token is not None and not self._metadata:
                self._metadata = _bearer(self._token.reveal(), "token")
        return self._metadata

    def _read(self, path: Path) -> None:
        field = f"token_file ({shorten(str(path))})"
        try:
            # Through links, since that is what changes where a secret is mounted.
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_dev, status.st_size)
            if stamp == self._stamp:
                return
            content = path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise UnauthenticatedError(
                f"{field} cannot be read: {error.strerror or error}; check FLOWCEPT_TOKEN_FILE", field="token_file"
            ) from None
        except UnicodeDecodeError:
            content = ""
        self._metadata = _bearer(content, field)
        self._stamp = stamp


def _bearer(token: str, field: str) -> Metadata:
    """The metadata with a token. gRPC would show, in its log, a value that it cannot send."""
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise UnauthenticatedError(
            f"{field} holds no token: one is a single word of ASCII characters; check FLOWCEPT_TOKEN and "
            "FLOWCEPT_TOKEN_FILE",
            field=field.partition(" ")[0],
        )
    return (("authorization", f"Bearer {token}"),)
