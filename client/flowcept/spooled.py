"""Files that are saved as a whole when they are closed, and never if what writes them fails."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Any, Final

_IN_MEMORY: Final = 8 << 20
"""Bytes that wait in memory; more wait on the disk."""


class SpooledWriter(SpooledTemporaryFile[bytes]):
    """A binary file, seekable, whose content is passed on when it is closed at the end of a ``with`` block or by hand.

    A block that fails passes on nothing, nor does a file that nobody closes. Whoever closes it on behalf of such a
    block need not say so: a file that is closed while an error is on its way is not passed on, with a warning.
    ``commit`` passes it on all the same.

    Args:
        name: What the file is called in warnings.
        save: Takes the file, at its beginning.
        autocommit: Whether closing saves; otherwise ``commit`` does so later.
    """

    def __init__(self, name: str, save: Callable[[IO[bytes]], object], *, autocommit: bool = True) -> None:
        self._title = name
        self._save = save
        self._autocommit = autocommit
        self._settled = False
        # One that was handled already when the file was opened has nothing to do with it.
        self._handled = sys.exception()
        super().__init__(_IN_MEMORY)

    def commit(self) -> None:
        """Save the content. Nothing can be written any more."""
        if self._settled:
            return
        self._settled = True
        try:
            self.seek(0)
            self._save(self)
        finally:
            super().close()

    def discard(self) -> None:
        """Drop the content."""
        self._settled = True
        super().close()

    def close(self) -> None:
        """Save the content, unless that is left to ``commit``, or an error is on its way."""
        error = sys.exception()
        if error is not None and error is not self._handled:
            if not self._settled:
                warnings.warn(
                    f"{self._title} is not saved, for it was closed because of {type(error).__name__}", stacklevel=2
                )
            self.discard()
        elif self._autocommit:
            self.commit()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            self.discard()

    def forget(self) -> None:
        """Drop the content of a file that nobody has closed, with a warning."""
        if not self._settled:
            warnings.warn(f"{self._title} is not saved, for nobody has closed it", ResourceWarning, stacklevel=2)
        self.discard()

    def __del__(self) -> None:
        # Files close themselves when they are forgotten; this one must not save half of its content then.
        self.forget()


class SpooledText(io.TextIOWrapper):
    """Text in front of a ``SpooledWriter``, with the same manners."""

    def __init__(self, writer: SpooledWriter, **options: Any) -> None:
        super().__init__(writer, **options)
        self._writer = writer

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is not None:
            self._writer.discard()
        super().__exit__(exc_type, exc, traceback)

    def __del__(self) -> None:
        self._writer.forget()
