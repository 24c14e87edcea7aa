"""Names of the methods that are treated apart from the others."""

from __future__ import annotations

from typing import Final

from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from flowcept_service.rpc import blob_servicer, provenance_servicer

UPLOAD: Final = f"/{blob_servicer.SERVICE_NAME}/Upload"
DOWNLOAD: Final = f"/{blob_servicer.SERVICE_NAME}/Download"
QUERY: Final = f"/{provenance_servicer.SERVICE_NAME}/Query"
SUBSCRIBE: Final = f"/{provenance_servicer.SERVICE_NAME}/Subscribe"
CHECK_HEALTH: Final = f"/{health.SERVICE_NAME}/Check"
WATCH_HEALTH: Final = f"/{health.SERVICE_NAME}/Watch"
REFLECT: Final = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
