"""Following the event log."""

from __future__ import annotations

from flowcept.db._base import ServiceBound
from flowcept.transport import EventSelection, Start, Subscription, acknowledge, delete_consumer, subscribe


class EventMethods(ServiceBound):
    """The methods of ``Flowcept.db`` for events."""

    def events(
        self,
        start: Start = "latest",
        *,
        consumer: str = "",
        selection: EventSelection | None = None,
        omit_documents: bool = False,
        heartbeat: float = 5.0,
    ) -> Subscription:
        """The events of the log from a position on, then live: iterate over it, and close it when done.

        ::

            with Flowcept.db.events("earliest", selection=EventSelection(kinds=["task"])) as events:
                for event in events:
                    print(event.sequence, event.action, event.document)

        A broken connection is made anew behind the last event received. Arguments and errors as
        ``flowcept.transport.subscribe``; for a loop in a thread of its own, use ``flowcept.consumers.BaseConsumer``.

        Args:
            start: ``latest`` (what is committed from now on), ``earliest``, or the sequence to start behind.
            consumer: Name of a durable consumer: one that is known starts behind what it acknowledged.
            selection: Which events; all when not given.
            omit_documents: Leave documents out.
            heartbeat: Seconds of silence after which the service tells its position.
        """
        return subscribe(
            self.connection,
            start=start,
            consumer=consumer,
            selection=selection,
            omit_documents=omit_documents,
            heartbeat=heartbeat,
        )

    def acknowledge(self, consumer: str, sequence: int) -> int:
        """Tell that a durable consumer has processed everything up to a sequence. It never moves backward.

        Returns:
            The sequence that is acknowledged now.

        Raises:
            OutOfRangeError: SEQUENCE_NOT_REACHED: the log does not reach that far.
        """
        return acknowledge(self.connection, consumer, sequence)

    def delete_consumer(self, consumer: str) -> int:
        """Delete a durable consumer that nobody needs any more: the service forgets how far it has come.

        Stop whoever reads under its name first: the next subscription or acknowledgement would make it anew.

        Returns:
            The sequence that it had acknowledged.

        Raises:
            NotFoundError: CONSUMER_NOT_FOUND: there is no such consumer.
        """
        return delete_consumer(self.connection, consumer)
