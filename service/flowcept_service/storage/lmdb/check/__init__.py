"""Checks a store as a whole, and repairs what follows from something else that is there."""

from flowcept_service.storage.lmdb.check._check import Checked, StoreCheck
from flowcept_service.storage.lmdb.check._finding import Finding, Kind

__all__ = ["Checked", "Finding", "Kind", "StoreCheck"]
