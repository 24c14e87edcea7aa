from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DocumentEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOCUMENT_ENCODING_UNSPECIFIED: _ClassVar[DocumentEncoding]
    DOCUMENT_ENCODING_BSON: _ClassVar[DocumentEncoding]
    DOCUMENT_ENCODING_JSON: _ClassVar[DocumentEncoding]
DOCUMENT_ENCODING_UNSPECIFIED: DocumentEncoding
DOCUMENT_ENCODING_BSON: DocumentEncoding
DOCUMENT_ENCODING_JSON: DocumentEncoding

class Document(_message.Message):
    __slots__ = ("bson", "json")
    BSON_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    bson: bytes
    json: str
    def __init__(self, bson: _Optional[bytes] = ..., json: _Optional[str] = ...) -> None: ...
