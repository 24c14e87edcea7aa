"""The absence of a field, which is neither null nor an error."""

from __future__ import annotations

from typing import Final


class Missing:
    """The type of `MISSING`; there is one instance."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""Stands for a field that a document does not have."""
