"""Payload bytes in GridFS: staged, sealed, read, and referred to."""
