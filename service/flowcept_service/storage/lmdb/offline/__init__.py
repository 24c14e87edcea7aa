"""Work on a store's files from outside of its server: backup, restore, compaction; the server may run or not."""

from flowcept_service.storage.lmdb._environment.extent import CutOffError
from flowcept_service.storage.lmdb.offline._backup import Backup
from flowcept_service.storage.lmdb.offline._compact import Compacted, Compaction
from flowcept_service.storage.lmdb.offline._manifest import refuse_backup
from flowcept_service.storage.lmdb.offline._restore import Restore
from flowcept_service.storage.lmdb.offline._snapshot import Snapshot

__all__ = ["Backup", "Compacted", "Compaction", "CutOffError", "Restore", "Snapshot", "refuse_backup"]
