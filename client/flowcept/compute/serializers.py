"""How objects become the bytes of an artifact's file, and back."""

from __future__ import annotations

import json
import pickle
from typing import IO, Any, Final, Protocol

from flowcept.errors import InvalidArgumentError, shorten
from flowcept.pickling import dump


class Serializer(Protocol):
    """Writes objects to files and reads them back; the modules ``cloudpickle`` and ``joblib`` are such, too."""

    def dump(self, value: Any, file: IO[bytes], /) -> object:
        """Write an object to a binary file."""
        ...

    def load(self, file: IO[bytes], /) -> Any:
        """The object that a binary file holds."""
        ...


class PickleSerializer:
    """Any Python object that can be pickled. Reading runs code that the file contains: only for what you trust."""

    def dump(self, value: Any, file: IO[bytes], /) -> None:
        """See Serializer.

        Raises:
            InvalidArgumentError: It cannot be pickled.
        """
        dump(value, file, "value")

    def load(self, file: IO[bytes], /) -> Any:
        """See Serializer."""
        return pickle.load(file)  # noqa: S301 - the object store gives back objects; its documentation warns


class JsonSerializer:
    """Strings, numbers, booleans, None, and lists and dictionaries of them, as JSON that every language reads."""

    def dump(self, value: Any, file: IO[bytes], /) -> None:
        """See Serializer.

        Raises:
            InvalidArgumentError: JSON cannot hold it.
        """
        try:
            file.write(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgumentError(
                f"value of type {type(value).__name__} cannot be written as JSON: {shorten(str(error), 200)}; use "
                "another serializer",
                field="value",
            ) from error

    def load(self, file: IO[bytes], /) -> Any:
        """See Serializer."""
        return json.load(file)


SERIALIZERS: Final[dict[str, Serializer]] = {"pickle": PickleSerializer(), "json": JsonSerializer()}
"""Those that are recognized when a file is read."""
