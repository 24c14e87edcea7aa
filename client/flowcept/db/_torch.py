"""State dicts of torch models as streams. Imported only where torch is used: it is an optional dependency."""

from __future__ import annotations

import pickle
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import nn

from flowcept.db._blob_object import BlobObject
from flowcept.errors import InvalidArgumentError, shorten
from flowcept.transport import PayloadSource, written_source

_REPR_LIMIT = 20_000  # characters; the text of a large model would not fit into a document


def check_model(model: object) -> None:
    """Whether the methods for models can be used.

    Raises:
        InvalidArgumentError: ``model`` is no torch module.
    """
    if not isinstance(model, nn.Module):
        raise InvalidArgumentError(
            f"model is {shorten(model)} of type {type(model).__name__}; it must be a torch.nn.Module", field="model"
        )


def model_metadata(model: nn.Module, given: Mapping[str, Any] | None, *, with_profile: bool) -> dict[str, Any]:
    """The attributes to save with a model.

    Raises:
        InvalidArgumentError: ``model`` is no torch module.
    """
    check_model(model)
    metadata = dict(given or {})
    if with_profile:
        metadata["model_profile"] = _profile(model)
    metadata["class"] = type(model).__name__
    return metadata


def state_source(model: nn.Module, piece_size: int) -> PayloadSource:
    """The model's ``state_dict`` as ``torch.save`` writes it, while it is sent."""
    state = model.state_dict()
    return written_source(lambda file: torch.save(state, cast(IO[bytes], file)), piece_size)  # it only writes


def load_state(model: nn.Module, blob: BlobObject) -> None:
    """Copy the parameters of a saved ``state_dict`` into ``model``."""
    saved_class = (blob.custom_metadata or {}).get("class")
    if saved_class is not None and saved_class != type(model).__name__:
        warnings.warn(
            f"object {shorten(blob.object_id)} holds the parameters of a {saved_class}, "
            f"not of a {type(model).__name__}",
            stacklevel=3,
        )
    with tempfile.TemporaryDirectory(prefix="flowcept-") as directory:
        path = blob.save_to(Path(directory) / "state")
        model.load_state_dict(_mapped(path, blob), assign=False)
    # The name that the Flowcept library gives it; torch's own typing takes every attribute for a module.
    vars(model)["_flowcept_model_object"] = blob.to_dict()


def _mapped(path: Path, blob: BlobObject) -> Mapping[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise InvalidArgumentError(
            f"object {shorten(blob.object_id)} is no state_dict saved by torch: {shorten(str(error), 200)}",
            field="object_id",
        ) from error
    if not isinstance(state, Mapping):
        raise InvalidArgumentError(
            f"object {shorten(blob.object_id)} holds a {type(state).__name__}, not a state_dict", field="object_id"
        )
    return state


def _profile(model: nn.Module) -> dict[str, Any]:
    parameters = list(model.parameters())
    modules = list(model.modules())
    return {
        "params": sum(parameter.numel() for parameter in parameters),
        "max_width": max((max(parameter.shape, default=1) for parameter in parameters), default=0),
        "n_modules": len(modules),
        "modules": dict(Counter(type(module).__name__ for module in modules)),
        "model_repr": repr(model)[:_REPR_LIMIT],
    }
