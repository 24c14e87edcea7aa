"""Python objects as pickles."""

from __future__ import annotations

import pickle
from typing import Protocol

from flowcept.errors import InvalidArgumentError, shorten


class Writable(Protocol):
    """What takes the bytes."""

    def write(self, data: bytes, /) -> object:
        """Take all of them."""
        ...


def dump(value: object, file: Writable, field: str) -> None:
    """Write a value to a binary file, as a pickle.

    Args:
        value: The value.
        file: The file.
        field: Name of the argument that the value was given as.

    Raises:
        InvalidArgumentError: It cannot be pickled. Some of it may have been written.
    """
    try:
        pickle.Pickler(file, protocol=5).dump(value)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidArgumentError(
            f"{field} of type {type(value).__name__} cannot be pickled: {shorten(str(error), 200)}; serialize it "
            "another way, for example with cloudpickle",
            field=field,
        ) from error
