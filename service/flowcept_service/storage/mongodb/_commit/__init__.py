"""Committing: a unit of work in memory, written with its events in one transaction."""
