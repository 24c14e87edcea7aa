"""The BlobStore service: decode, one call, encode."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import grpc

from flowcept.v1.blob_store_service_pb2 import (
    DESCRIPTOR,
    AbortUploadRequest,
    AbortUploadResponse,
    DeleteObjectRequest,
    DeleteObjectResponse,
    DownloadRequest,
    GetObjectRequest,
    GetObjectResponse,
    GetUploadRequest,
    GetUploadResponse,
    ListVersionsRequest,
    ListVersionsResponse,
    UpdateObjectRequest,
    UpdateObjectResponse,
    UploadResponse,
)
from flowcept.v1.document_pb2 import DOCUMENT_ENCODING_BSON
from flowcept_service.blobs.downloads import Beginning, Piece
from flowcept_service.blobs.objects import Objects
from flowcept_service.blobs.parts import UploadMessage
from flowcept_service.blobs.roles import Receiving, Sending
from flowcept_service.rpc.blob_converters import (
    decode_encoding,
    decode_expected_version,
    decode_fields,
    decode_range,
    decode_upload,
    encode_download,
    encode_upload_result,
    encode_upload_status,
    encode_version,
    version_size,
)

SERVICE_NAME = DESCRIPTOR.services_by_name["BlobStore"].full_name


class BlobStoreServicer:
    """The RPCs of ``flowcept.v1.BlobStore``."""

    def __init__(self, uploads: Receiving, downloads: Sending, objects: Objects) -> None:
        """Serve what these three offer."""
        self._uploads = uploads
        self._downloads = downloads
        self._objects = objects

    def Upload(self, requests: Iterator[UploadMessage], context: grpc.ServicerContext) -> UploadResponse:
        """Receive one version."""
        return encode_upload_result(self._uploads.upload(requests))

    def GetUpload(self, request: GetUploadRequest, context: grpc.ServicerContext) -> GetUploadResponse:
        """Tell how much of an upload is staged."""
        return encode_upload_status(self._uploads.status(request.upload_id))

    def AbortUpload(self, request: AbortUploadRequest, context: grpc.ServicerContext) -> AbortUploadResponse:
        """Drop what an upload has staged."""
        return AbortUploadResponse(existed=self._uploads.abort(request.upload_id))

    def Download(self, request: DownloadRequest, context: grpc.ServicerContext) -> Iterator[Beginning | Piece]:
        """Stream the bytes of one version."""
        return self._downloads.download(decode_range(request))

    def GetObject(self, request: GetObjectRequest, context: grpc.ServicerContext) -> GetObjectResponse:
        """Return the metadata of one version, and the bytes if they are few and wanted."""
        encoding = decode_encoding(request.encoding)
        version = self._objects.get(request.object_id, request.version if request.HasField("version") else None)
        data = self._downloads.inline(version, request.max_inline_bytes)
        return GetObjectResponse(object=encode_version(version, encoding), data=data)

    def ListVersions(self, request: ListVersionsRequest, context: grpc.ServicerContext) -> ListVersionsResponse:
        """List the versions of an object."""
        encoding = decode_encoding(request.encoding)
        weigh = None if encoding == DOCUMENT_ENCODING_BSON else partial(version_size, encoding=encoding)
        page = self._objects.versions(request.object_id, request.page_size, request.page_token, weigh)
        return ListVersionsResponse(
            objects=[encode_version(version, encoding) for version in page.versions],
            next_page_token=page.next_page_token,
        )

    def UpdateObject(self, request: UpdateObjectRequest, context: grpc.ServicerContext) -> UpdateObjectResponse:
        """Change metadata."""
        encoding = decode_encoding(request.encoding)
        fields, author = decode_fields(request.fields)
        version = self._objects.update(
            request.object_id,
            fields,
            author,
            control_version=request.control_version,
            precondition=decode_expected_version(request),
            request_id=request.request_id,
        )
        return UpdateObjectResponse(object=encode_version(version, encoding))

    def DeleteObject(self, request: DeleteObjectRequest, context: grpc.ServicerContext) -> DeleteObjectResponse:
        """Delete an object."""
        version = self._objects.delete(request.object_id, decode_expected_version(request))
        return DeleteObjectResponse(object=encode_version(version))


def blob_handlers(servicer: BlobStoreServicer) -> grpc.GenericRpcHandler:
    """The handlers of the service, for ``grpc.Server.add_generic_rpc_handlers``.

    Not the generated ones, because chunks are framed by hand.
    """
    return grpc.method_handlers_generic_handler(
        SERVICE_NAME,
        {
            "Upload": grpc.stream_unary_rpc_method_handler(
                servicer.Upload, decode_upload, UploadResponse.SerializeToString
            ),
            "GetUpload": grpc.unary_unary_rpc_method_handler(
                servicer.GetUpload, GetUploadRequest.FromString, GetUploadResponse.SerializeToString
            ),
            "AbortUpload": grpc.unary_unary_rpc_method_handler(
                servicer.AbortUpload, AbortUploadRequest.FromString, AbortUploadResponse.SerializeToString
            ),
            "Download": grpc.unary_stream_rpc_method_handler(
                servicer.Download, DownloadRequest.FromString, encode_download
            ),
            "GetObject": grpc.unary_unary_rpc_method_handler(
                servicer.GetObject, GetObjectRequest.FromString, GetObjectResponse.SerializeToString
            ),
            "ListVersions": grpc.unary_unary_rpc_method_handler(
                servicer.ListVersions, ListVersionsRequest.FromString, ListVersionsResponse.SerializeToString
            ),
            "UpdateObject": grpc.unary_unary_rpc_method_handler(
                servicer.UpdateObject, UpdateObjectRequest.FromString, UpdateObjectResponse.SerializeToString
            ),
            "DeleteObject": grpc.unary_unary_rpc_method_handler(
                servicer.DeleteObject, DeleteObjectRequest.FromString, DeleteObjectResponse.SerializeToString
            ),
        },
    )
