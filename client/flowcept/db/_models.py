"""Models and datasets: blobs with a customary ``type``."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Unpack

from flowcept.db._blob_object import BlobObject
from flowcept.db._blobs import BlobMethods
from flowcept.db._options import SaveConditions, SaveOptions

if TYPE_CHECKING:
    from torch import nn


class ModelMethods(BlobMethods):
    """The model and dataset methods of ``Flowcept.db``."""

    def save_or_update_ml_model(  # noqa: PLR0917 - the documented order of arguments
        self,
        object: Any,
        object_id: str | None = None,
        task_id: str | None = None,
        workflow_id: str | None = None,
        type: str | None = "ml_model",
        custom_metadata: dict[str, Any] | None = None,
        save_data_in_collection: bool = False,
        pickle: bool = False,
        control_version: bool = False,
        tags: list[str] | None = None,
        **conditions: Unpack[SaveConditions],
    ) -> str:
        """``save_or_update_object`` with ``type="ml_model"``."""
        return self.save_or_update_object(
            object,
            object_id,
            task_id,
            workflow_id,
            type,
            custom_metadata,
            save_data_in_collection,
            pickle,
            control_version,
            tags,
            **conditions,
        )

    def get_ml_model(self, object_id: str, version: int | None = None) -> BlobObject:
        """Another name of ``get_blob_object``."""
        return self.get_blob_object(object_id, version)

    def save_or_update_dataset(  # noqa: PLR0917 - the documented order of arguments
        self,
        object: Any,
        object_id: str | None = None,
        task_id: str | None = None,
        workflow_id: str | None = None,
        type: str | None = "dataset",
        custom_metadata: dict[str, Any] | None = None,
        save_data_in_collection: bool = False,
        pickle: bool = False,
        control_version: bool = False,
        tags: list[str] | None = None,
        **conditions: Unpack[SaveConditions],
    ) -> str:
        """``save_or_update_object`` with ``type="dataset"``."""
        return self.save_or_update_object(
            object,
            object_id,
            task_id,
            workflow_id,
            type,
            custom_metadata,
            save_data_in_collection,
            pickle,
            control_version,
            tags,
            **conditions,
        )

    def get_dataset(self, object_id: str, version: int | None = None) -> BlobObject:
        """Another name of ``get_blob_object``."""
        return self.get_blob_object(object_id, version)

    def save_or_update_torch_model(  # noqa: PLR0917 - the documented order of arguments
        self,
        model: nn.Module,
        object_id: str | None = None,
        task_id: str | None = None,
        workflow_id: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
        control_version: bool = False,
        save_profile: bool = True,
        tags: list[str] | None = None,
        **conditions: Unpack[SaveConditions],
    ) -> str:
        """Save the ``state_dict`` of a torch model, streamed: nothing holds a second copy of it.

        ``custom_metadata`` gets the name of the model's class as ``class`` and, with ``save_profile``, its size and
        modules as ``model_profile``. The other arguments are those of ``save_or_update_object``.

        Returns:
            The ``object_id``.

        Raises:
            ModuleNotFoundError: torch is not installed; install the extra ``torch``.
            FlowceptError: As ``save_or_update_object``.
        """
        _torch = _torch_support()
        options = SaveOptions(
            object_id=object_id,
            task_id=task_id,
            workflow_id=workflow_id,
            type="ml_model",
            custom_metadata=_torch.model_metadata(model, custom_metadata, with_profile=save_profile),
            control_version=control_version,
            tags=tags,
            **conditions,
        )
        header = self._header(options)
        source = _torch.state_source(model, self.connection.settings.chunk_size)
        try:
            return self._upload(header, source, options).object_id or ""
        finally:
            source.close()

    def load_torch_model(self, model: nn.Module, object_id: str, version: int | None = None) -> dict[str, Any]:
        """Load a saved ``state_dict`` into ``model``, in place, without a second copy of it in memory.

        The bytes go to a temporary file (in ``TMPDIR``), which is mapped while the parameters are copied out of it.
        Only tensors and plain values are unpickled (``weights_only=True``).

        Args:
            model: The model; its parameters are overwritten. A model of another class than the saved one is warned
                about.
            object_id: The object.
            version: Its version; the latest when not given.

        Returns:
            The fields of the version, without its bytes. They are also kept as ``model._flowcept_model_object``.

        Raises:
            NotFoundError: There is no such object or version.
            IntegrityError: The bytes are not those of the version.
            InvalidArgumentError: ``model`` is no torch module; the object holds no ``state_dict``.
            RuntimeError: The ``state_dict`` does not fit the model; from torch, with the names of the parameters.
            ModuleNotFoundError: torch is not installed; install the extra ``torch``.
        """
        _torch = _torch_support()
        _torch.check_model(model)
        blob = self.get_blob_object(object_id, version)
        _torch.load_state(model, blob)
        return blob.to_dict()


def _torch_support() -> ModuleType:
    try:
        from flowcept.db import _torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Models need torch: pip install 'flowcept-service[torch]'.", name="torch") from error
    return _torch
