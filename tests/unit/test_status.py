"""Errors cross the wire as google.rpc.Status and come back as the same class."""

from __future__ import annotations

import inspect

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

import flowcept.errors as errors_module
from flowcept.errors import (
    FlowceptError,
    InternalError,
    InvalidArgumentError,
    OutOfRangeError,
    Reason,
    ResourceExhaustedError,
    UnavailableError,
    VersionConflictError,
)
from flowcept.status import CODES, DOMAIN, Code, code_of, decode_status, encode_status
from flowcept.v1 import errors_pb2

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors_module, inspect.isclass)
    if issubclass(cls, FlowceptError) and cls is not FlowceptError
]


def round_trip(error: FlowceptError) -> FlowceptError:
    return decode_status(code_of(error), error.message, encode_status(error))


def test_every_error_class_has_exactly_one_code() -> None:
    assert set(CODES) == set(CLASSES)
    assert len(set(CODES.values())) == len(CODES)


def test_codes_are_those_of_google_rpc() -> None:
    assert {code.name: code.value for code in Code} == dict(code_pb2.Code.items())


def test_every_reason_is_documented_in_the_contract() -> None:
    assert {reason.value for reason in Reason} == set(errors_pb2.ErrorReason.keys())


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_comes_back_as_its_own_class(cls: type[FlowceptError]) -> None:
    sent = cls("what is wrong", field="object_id", value=7)
    got = round_trip(sent)
    assert type(got) is cls
    assert (got.message, got.reason, got.metadata) == (sent.message, sent.reason, sent.metadata)


@given(
    message=st.text(max_size=200),
    reason=st.sampled_from(list(Reason)),
    metadata=st.dictionaries(
        st.text(min_size=1, max_size=20).filter(lambda key: key not in {"self", "message", "reason"}),
        st.text(max_size=60),
        max_size=5,
    ),
)
def test_reason_and_metadata_survive(message: str, reason: Reason, metadata: dict[str, str]) -> None:
    sent = OutOfRangeError(message, reason=reason, **metadata)
    got = round_trip(sent)
    assert (got.reason, dict(got.metadata)) == (reason, metadata)


@given(st.text(min_size=2000, max_size=4000))
def test_long_texts_are_cut_so_that_trailers_stay_under_8_kib(text: str) -> None:
    error = InvalidArgumentError(text, field=text, value=text, size=text, limit=text)
    assert len(encode_status(error)) < 4000


def test_a_field_at_fault_is_a_bad_request_violation_too() -> None:
    status = status_pb2.Status.FromString(encode_status(InvalidArgumentError("too long", field="fields.type")))
    violation = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(violation)
    assert [v.field for v in violation.field_violations] == ["fields.type"]


def test_the_conflict_names_the_current_version_on_the_other_side() -> None:
    got = round_trip(VersionConflictError("lost", object_id="a", expected_version=1, current_version=4))
    assert isinstance(got, VersionConflictError)
    assert got.current_version == 4


def test_a_subclass_has_the_code_of_its_class() -> None:
    class SpecialError(UnavailableError):
        pass

    assert code_of(SpecialError("away")) == Code.UNAVAILABLE


def test_a_reason_of_a_newer_server_leaves_the_code_to_speak() -> None:
    status = status_pb2.Status(code=5, message="gone")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="FROM_THE_FUTURE", domain=DOMAIN))
    got = decode_status(5, "gone", status.SerializeToString())
    assert (code_of(got), got.reason) == (Code.NOT_FOUND, Reason.UNSPECIFIED)


@pytest.mark.parametrize("key", ["self", "message", "reason"])
def test_metadata_cannot_pose_as_a_parameter_of_the_error(key: str) -> None:
    status = status_pb2.Status(code=5, message="gone")
    info = error_details_pb2.ErrorInfo(reason="OBJECT_NOT_FOUND", domain=DOMAIN, metadata={key: "x", "object_id": "y"})
    status.details.add().Pack(info)
    got = decode_status(5, "gone", status.SerializeToString())
    assert (got.message, dict(got.metadata)) == ("gone", {"object_id": "y"})


@pytest.mark.parametrize(
    ("code", "message", "cls", "reason"),
    [
        (14, "failed to connect to all addresses", UnavailableError, Reason.SERVICE_UNREACHABLE),
        (13, "Received RST_STREAM with error code 2", UnavailableError, Reason.SERVICE_UNREACHABLE),
        (2, "Stream removed", UnavailableError, Reason.SERVICE_UNREACHABLE),
        (13, "panic", InternalError, Reason.INTERNAL),
        (2, "Exception calling application", InternalError, Reason.INTERNAL),
        (8, "Received message larger than max (5242912 vs. 4194304)", ResourceExhaustedError, Reason.MESSAGE_TOO_LARGE),
        (8, "quota of the proxy", ResourceExhaustedError, Reason.UNSPECIFIED),
        (10, "somebody's transaction", VersionConflictError, Reason.UNSPECIFIED),
        (99, "no such code", InternalError, Reason.INTERNAL),
    ],
)
@pytest.mark.parametrize("details", [None, b"", b"\xff damaged"])
def test_a_foreign_status_becomes_what_a_caller_can_act_upon(
    code: int, message: str, cls: type[FlowceptError], reason: Reason, details: bytes | None
) -> None:
    got = decode_status(code, message, details)
    assert (type(got), got.reason) == (cls, reason)
    assert message in got.message


def test_details_of_another_domain_are_not_ours() -> None:
    status = status_pb2.Status(code=14, message="away")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="OBJECT_NOT_FOUND", domain="elsewhere"))
    assert decode_status(14, "away", status.SerializeToString()).reason is Reason.SERVICE_UNREACHABLE


def test_ok_is_no_error() -> None:
    with pytest.raises(ValueError, match="OK"):
        decode_status(0, "", None)
