"""Torch models: state dicts in both directions."""

from __future__ import annotations

import io
import random
import sys
import warnings

import pytest
import torch
from torch import nn

from flowcept.db import DBAPI
from flowcept.errors import InvalidArgumentError, NotFoundError
from tests.client.conftest import Connect
from tests.support.proxy import Break, Fault, FaultyProxy

MIB = 1 << 20


class Net(nn.Module):
    """A model of about 12 MiB with a buffer and parameters of two types."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1000, 3000), nn.BatchNorm1d(3000), nn.Linear(3000, 10))
        self.scale = nn.Parameter(torch.randn(7, dtype=torch.float64))


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


def test_a_model_comes_back_with_its_parameters_and_linkage(db: DBAPI) -> None:
    model, loaded = Net(), Net()
    object_id = db.save_or_update_torch_model(
        model, task_id="task", workflow_id="workflow", custom_metadata={"stage": "best"}, tags=["t"]
    )
    document = db.load_torch_model(loaded, object_id)
    assert same(model, loaded)
    assert document["workflow_id"] == "workflow"
    assert document["task_id"] == "task"
    assert document["type"] == "ml_model"
    assert document["custom_metadata"]["stage"] == "best"
    assert document["custom_metadata"]["class"] == "Net"
    assert document["custom_metadata"]["model_profile"]["params"] == sum(p.numel() for p in model.parameters())
    assert "data" not in document
    assert vars(loaded)["_flowcept_model_object"] == document


def test_the_profile_can_be_left_out(db: DBAPI) -> None:
    object_id = db.save_or_update_torch_model(Net(), save_profile=False)
    assert db.get_ml_model(object_id).custom_metadata == {"class": "Net"}


def test_every_version_of_a_checkpoint_can_be_restored(db: DBAPI, object_id: str) -> None:
    models = [Net() for _ in range(3)]
    for model in models:
        db.save_or_update_torch_model(model, object_id, control_version=True)
    for version, model in enumerate(models):
        loaded = Net()
        assert db.load_torch_model(loaded, object_id, version=version)["version"] == version
        assert same(model, loaded)


def test_what_is_stored_is_what_torch_saves(db: DBAPI) -> None:
    model = Net()
    blob = db.get_blob_object(db.save_or_update_torch_model(model))
    state = torch.load(io.BytesIO(blob.data), weights_only=True)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_an_empty_module_is_a_model(db: DBAPI) -> None:
    document = db.load_torch_model(nn.Module(), db.save_or_update_torch_model(nn.Module(), task_id="task"))
    assert document["task_id"] == "task"


def test_loaded_parameters_keep_their_identity(db: DBAPI) -> None:
    loaded = Net()
    parameters = list(loaded.parameters())
    db.load_torch_model(loaded, db.save_or_update_torch_model(Net()))
    assert all(now is before for now, before in zip(loaded.parameters(), parameters, strict=True))


def test_another_class_is_only_warned_about(db: DBAPI) -> None:
    class Twin(Net):
        pass

    model, loaded = Net(), Twin()
    object_id = db.save_or_update_torch_model(model)
    with pytest.warns(UserWarning, match="a Net, not of a Twin"):
        db.load_torch_model(loaded, object_id)
    assert same(model, loaded)


def test_the_same_class_is_not_warned_about(db: DBAPI) -> None:
    object_id = db.save_or_update_torch_model(Net())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        db.load_torch_model(Net(), object_id)


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"PK\x03\x04 almost a zip"])
def test_what_is_no_state_dict_is_said(db: DBAPI, payload: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="no state_dict"):
        db.load_torch_model(Net(), db.save_or_update_ml_model(payload))


class Evil:
    """What an attacker would store."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def test_code_in_a_checkpoint_is_never_run(db: DBAPI, capsys: pytest.CaptureFixture[str]) -> None:
    buffer = io.BytesIO()
    torch.save({"weight": Evil()}, buffer)
    with pytest.raises(InvalidArgumentError):
        db.load_torch_model(Net(), db.save_or_update_ml_model(buffer.getvalue()))
    assert "executed" not in capsys.readouterr().out


def test_a_missing_model_is_a_value_error(db: DBAPI) -> None:
    with pytest.raises(NotFoundError):
        db.load_torch_model(Net(), "unknown")


def test_what_is_no_model_is_refused(db: DBAPI) -> None:
    with pytest.raises(InvalidArgumentError, match=r"torch\.nn\.Module"):
        db.save_or_update_torch_model({"a": 1})  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(InvalidArgumentError, match=r"torch\.nn\.Module"):
        db.load_torch_model({"a": 1}, "any")  # type: ignore[arg-type]  # what the test is about


def test_without_torch_it_is_said_what_to_install(db: DBAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in an environment that never had it: the module that imports it must not be there yet either.
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "flowcept.db._torch", raising=False)
    monkeypatch.delattr("flowcept.db._torch", raising=False)

    with pytest.raises(ModuleNotFoundError, match=r"flowcept-service\[torch\]"):
        db.save_or_update_torch_model(Net())
    with pytest.raises(ModuleNotFoundError, match=r"flowcept-service\[torch\]"):
        db.load_torch_model(Net(), "any")


def test_a_checkpoint_survives_a_broken_connection(service: str, connect: Connect) -> None:
    model, loaded = Net(), Net()
    offsets = random.Random(3)
    cuts = [Fault(after_sent=offsets.randrange(MIB, 8 * MIB), kind=Break.RESET) for _ in range(2)]
    with FaultyProxy(service, *cuts) as proxy:
        object_id = connect(proxy.target).save_or_update_torch_model(model)
        assert proxy.broken == 2
    with FaultyProxy(service, Fault(after_received=5 * MIB, kind=Break.RESET)) as proxy:
        connect(proxy.target).load_torch_model(loaded, object_id)
    assert same(model, loaded)
