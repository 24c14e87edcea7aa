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
        self._metadata: Metadata = () if settings.token is None else _bearer(settings.token.reveal())
        self._stamp: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def metadata(self) -> Metadata:
        """The metadata for the next call.

        Raises:
            UnauthenticatedError: The token file cannot be read.
        """
        if self._path is None:
            return self._metadata
        with self._lock:
            return self._from_file(self._path)

    def _from_file(self, path: Path) -> Metadata:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._metadata = _bearer(path.read_text(encoding="utf-8").strip())
                self._stamp = stamp
        except (OSError, UnicodeDecodeError) as error:
            raise UnauthenticatedError(
                f"token_file ({shorten(str(path))}) cannot be read: {error}; check FLOWCEPT_TOKEN_FILE",
                field="token_file",
            ) from None
        return self._metadata


def _bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)
