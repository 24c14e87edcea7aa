"""The event log in its tables."""
