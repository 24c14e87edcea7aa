"""No database: events pass through a bounded log in memory, and nothing else is kept."""

from flowcept_service.storage.memory._store import MemorySettings, MemoryStorage

__all__ = ["MemorySettings", "MemoryStorage"]
