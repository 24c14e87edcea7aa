"""The event log's subscribers, and the encoding of events."""
