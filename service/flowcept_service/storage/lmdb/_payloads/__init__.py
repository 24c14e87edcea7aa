"""Payload bytes: staged, read, and referred to."""
