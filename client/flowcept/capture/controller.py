"""``Flowcept``: the run of a workflow, from its start to its end."""

from __future__ import annotations

import atexit
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flowcept import buffer_file
from flowcept.capture.buffer_access import BufferAccess
from flowcept.capture.code_description import CodeDescription
from flowcept.capture.context import (
    current_campaign_id,
    current_session,
    current_workflow_id,
    enter_session,
    leave_session,
)
from flowcept.capture.publisher import PublisherFactory
from flowcept.capture.run import CaptureRun
from flowcept.capture.session import CaptureSession
from flowcept.capture.task import error_text
from flowcept.checks import optional_text
from flowcept.config import ClientSettings
from flowcept.errors import PreconditionError, UnsupportedError, shorten
from flowcept.records import AgentObject, WorkflowObject
from flowcept.vocabulary import Status

if TYPE_CHECKING:
    from flowcept.db import DBAPI


class _Db:
    """``Flowcept.db``, of the class and of its instances."""

    def __get__(self, instance: object, owner: type) -> DBAPI:
        # Here, because it brings gRPC, which `import flowcept` must not.
        from flowcept.db import default_db

        return default_db()


class _FlowceptType(type):
    """What ``Flowcept`` has as a class: the state of the code that asks. Instances have their own."""

    @property
    def current_workflow_id(cls) -> str | None:
        """The workflow that captures here, else the last one that did; None before the first."""
        return current_workflow_id()

    @property
    def campaign_id(cls) -> str | None:
        """The campaign of that workflow."""
        return current_campaign_id()

    @property
    def is_started(cls) -> bool:
        """Whether a workflow captures here."""
        return current_session() is not None


class Flowcept(BufferAccess, metaclass=_FlowceptType):
    """The run of one workflow: publishes its start, its end and what is captured in between.

    ::

        with Flowcept(workflow_name="training", workflow_args={"epochs": 3}):
            train()

    Within it, ``@flowcept_task`` functions, ``FlowceptTask`` and ``FlowceptLoop`` are captured. The workflow's status
    is ``RUNNING`` until the block ends, then ``FINISHED``, or ``ERROR`` when an exception leaves the block; the
    exception goes on. Capture never raises: when the service is away, messages are kept and in the end written to
    disk, and a warning names the files for ``flowcept replay``.

    Args:
        interceptors: Only ``"instrumentation"``, the default, is offered.
        bundle_exec_id: Accepted for callers of the Flowcept library; means nothing here.
        campaign_id: Campaign that the workflow belongs to; made up when not given.
        workflow_id: Identifier of this execution; made up when not given.
        workflow_name: Name of the workflow.
        workflow_subtype: Finer kind, such as ``ml_workflow``.
        workflow_args: Its parameters; become ``used``.
        agent_id: The agent that executes it.
        parent_workflow_id: The workflow execution that this one is a part of; the one around it when not given.
        start_persistence: Accepted for callers of the Flowcept library; the service persists by itself.
        check_safe_stops: Likewise; the end of a run always waits for its messages.
        save_workflow: False publishes no workflow record.
        delete_buffer_file: Delete the buffer file of an earlier run first; the setting decides when not given.
        workflow_description: What the workflow does, in words.
        agent_name: Name of the agent; registers it.
        settings: Settings instead of those from environment and file.
        publisher: Opens what messages are published with, instead of a connection to the service.

    Raises:
        InvalidArgumentError: A setting is not valid; ``workflow_id`` or ``campaign_id`` is no string.
        UnsupportedError: An interceptor is asked for that is not offered.
    """

    db = _Db()
    """Blobs and records, over one connection to the service that is opened on first use."""

    def __init__(  # noqa: PLR0917 - the order of the Flowcept library, whose callers pass positions
        self,
        interceptors: list[str] | str | None = None,
        bundle_exec_id: str | None = None,
        campaign_id: str | None = None,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        workflow_subtype: str | None = None,
        workflow_args: dict[str, Any] | None = None,
        agent_id: str | None = None,
        parent_workflow_id: str | None = None,
        start_persistence: bool = True,
        check_safe_stops: bool = True,
        save_workflow: bool = True,
        delete_buffer_file: bool | None = None,
        *,
        workflow_description: str | None = None,
        agent_name: str | None = None,
        settings: ClientSettings | None = None,
        publisher: PublisherFactory | None = None,
    ) -> None:
        _refuse_other_interceptors(interceptors)
        super().__init__(settings if settings is not None else ClientSettings.load())
        self._publisher = publisher
        self.enabled = self._settings.capture.enabled
        self.is_started = False
        self.current_workflow_id = optional_text("workflow_id", workflow_id) or str(uuid.uuid4())
        self.campaign_id = optional_text("campaign_id", campaign_id) or str(uuid.uuid4())
        self.bundle_exec_id = bundle_exec_id
        self.workflow_name = workflow_name
        self.workflow_description = workflow_description
        self.workflow_subtype = workflow_subtype
        self.workflow_args = workflow_args
        self.agent_id = agent_id
        self.agent_name = agent_name
        self.parent_workflow_id = parent_workflow_id
        self._start_persistence = start_persistence
        self._check_safe_stops = check_safe_stops
        self._saves_workflow = save_workflow
        self._covered: CaptureSession | None = None
        self._description: CodeDescription | None = None
        self._process = 0
        wanted = self._settings.buffer_file.delete_previous_file if delete_buffer_file is None else delete_buffer_file
        if wanted:
            buffer_file.delete(self._settings.buffer_file.path)

    def start(self) -> Self:
        """Begin the run. Does nothing when it has begun, or when instrumentation is disabled."""
        if self._run is not None or not self.enabled:
            return self
        outer = current_session()
        if self.parent_workflow_id is None and outer is not None:
            self.parent_workflow_id = outer.workflow_id
        run = CaptureRun(self._settings, self.current_workflow_id, self.campaign_id, self._open_publisher())
        self._run = run
        self._process = os.getpid()
        self._covered = enter_session(run.session)
        self.is_started = True
        atexit.register(self.stop)
        if self.agent_name is not None:
            self.agent_id = self.save_agent(name=self.agent_name, agent_id=self.agent_id)
        if self._saves_workflow:
            run.session.emit_record(self._workflow(run.session).to_dict())
            if self._settings.capture.enrich_messages:
                self._description = CodeDescription(run.session, Path.cwd())
        return self

    def stop(self) -> None:
        """End the run: wait for its messages to be published, and write its buffer file.

        Does nothing when it has ended. In a forked child of the process that started it, this only hands the child's
        messages to the parent.
        """
        self._end(None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        in_child = os.getpid() != self._process
        if self._saves_workflow and not in_child:
            if self._description is not None:
                self._description.wait()
            end = WorkflowObject(workflow_id=self.current_workflow_id)
            end.ended_at = run.session.clock()
            end.status = Status.FINISHED if error is None else Status.ERROR
            end.stderr = None if error is None else error_text(error)
            run.session.emit_record(end.to_dict())
        leave_session(run.session, self._covered)
        self._covered = None
        self.is_started = False
        atexit.unregister(self.stop)
        run.close(in_child=in_child)

    def _open_publisher(self) -> PublisherFactory:
        if self._publisher is not None:
            return self._publisher
        # Here, because it brings gRPC, which `import flowcept` must not; and in the user's thread, because imports of
        # threads that run when the interpreter ends fail.
        from flowcept.capture.service import service_publisher

        return service_publisher(self._settings)

    def _workflow(self, session: CaptureSession) -> WorkflowObject:
        workflow = WorkflowObject(self.current_workflow_id, self.workflow_name, self.workflow_args)
        workflow.campaign_id = self.campaign_id
        workflow.parent_workflow_id = self.parent_workflow_id
        workflow.workflow_description = self.workflow_description
        workflow.subtype = self.workflow_subtype
        workflow.agent_id = self.agent_id
        workflow.started_at = session.clock()
        workflow.utc_timestamp = workflow.started_at
        workflow.status = Status.RUNNING
        if self._settings.capture.enrich_messages:
            workflow.user = self._settings.user or session.facts.get("login_name")
            workflow.sys_name = os.uname().sysname
        if session.telemetry is not None and session.telemetry.describes_machine:
            workflow.machine_info = {session.facts["hostname"]: session.telemetry.machine_info()}
        return workflow

    def save_agent(
        self,
        name: str | None = None,
        agent_id: str | None = None,
        workflow_id: str | None = None,
        campaign_id: str | None = None,
    ) -> str:
        """Register an agent with this run.

        Args:
            name: Its name.
            agent_id: Its identifier; made up when not given.
            workflow_id: Workflow execution; this one when not given.
            campaign_id: Campaign; this one when not given.

        Returns:
            Its identifier.

        Raises:
            PreconditionError: The run has not started.
        """
        if self._run is None:
            raise PreconditionError(
                "An agent is registered with a run that has started: use `with Flowcept(...) as flowcept`.",
            )
        session = self._run.session
        agent = AgentObject(
            agent_id or str(uuid.uuid4()),
            name,
            workflow_id or self.current_workflow_id,
            campaign_id or self.campaign_id,
        )
        agent.registered_at = session.clock()
        agent.user = self._settings.user or session.facts.get("login_name")
        session.emit_record(agent.to_dict())
        return str(agent.agent_id)

    @staticmethod
    def connect(target: str | None = None, **settings: Any) -> DBAPI:
        """What ``Flowcept.db`` offers, for another service; see :meth:`flowcept.db.DBAPI.connect`.

        ::

            with Flowcept.connect("dns:///flowcept.cluster-b:50051") as db:
                checkpoint = db.get_blob_object("checkpoint")
        """
        from flowcept.db import DBAPI

        return DBAPI.connect(target, **settings)

    @staticmethod
    def services_alive() -> bool:
        """Whether the service answers and can reach its database."""
        return bool(Flowcept.db.liveness_test())


def _refuse_other_interceptors(interceptors: list[str] | str | None) -> None:
    asked = [interceptors] if isinstance(interceptors, str) else interceptors or []
    for name in asked:
        if name != "instrumentation":
            raise UnsupportedError(
                f"interceptors names {shorten(name)}; only 'instrumentation' is offered. Publish what other tools do "
                "with FlowceptTask.",
                field="interceptors",
            )
