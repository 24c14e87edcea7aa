"""Provenance: publishing, querying and deleting records."""
