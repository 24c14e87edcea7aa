"""What every ``Replica`` promises, as the source and as the target of a copy."""

from __future__ import annotations

from tests.conformance.suites.replicas.copying import Copying, Interrupted
from tests.conformance.suites.replicas.following import Behind, Following
from tests.conformance.suites.replicas.reading import Reading, Refused


class ReplicaSuite(Copying, Following, Interrupted, Behind, Refused, Reading):
    """All of it."""
