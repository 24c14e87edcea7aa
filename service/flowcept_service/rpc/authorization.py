"""Which right each method needs: the one table that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import grpc

from flowcept.errors import PermissionDeniedError, shorten
from flowcept_service.domain.principals import Scope
from flowcept_service.rpc.handlers import SurroundingInterceptor
from flowcept_service.rpc.principal import current_principal

REQUIRED_SCOPES: Final[Mapping[str, Scope]] = {
    "/flowcept.v1.BlobStore/GetObject": Scope.READ,
    "/flowcept.v1.BlobStore/ListVersions": Scope.READ,
    "/flowcept.v1.BlobStore/Download": Scope.READ,
    "/flowcept.v1.BlobStore/Upload": Scope.WRITE,
    "/flowcept.v1.BlobStore/GetUpload": Scope.WRITE,
    "/flowcept.v1.BlobStore/AbortUpload": Scope.WRITE,
    "/flowcept.v1.BlobStore/UpdateObject": Scope.WRITE,
    "/flowcept.v1.BlobStore/DeleteObject": Scope.ADMIN,
    "/flowcept.v1.Provenance/Query": Scope.READ,
    "/flowcept.v1.Provenance/Subscribe": Scope.READ,
    # Part of reading: a consumer says how far it has read, and that it reads no more.
    "/flowcept.v1.Provenance/Acknowledge": Scope.READ,
    "/flowcept.v1.Provenance/DeleteConsumer": Scope.READ,
    "/flowcept.v1.Provenance/Publish": Scope.PUBLISH,
    "/flowcept.v1.Provenance/DeleteRecords": Scope.ADMIN,
}
"""The scope that a principal must have. Whoever may write sees the metadata of the version that a write makes."""


class Authorization(SurroundingInterceptor):
    """Refuses calls of principals that lack the scope, before the request is even read.

    Which campaigns a principal may touch depends on the request, and is decided where that is understood.
    """

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        # A method that the table does not know fails here, for everybody: better than being open to everybody.
        scope = REQUIRED_SCOPES[method]
        principal = current_principal()
        if not principal.has(scope):
            raise PermissionDeniedError(
                f"{method.rpartition('/')[2]} needs the scope {scope}, which {shorten(principal.name)} does not have; "
                "ask whoever runs the service for a token with it",
                scope=scope,
            )
        yield
