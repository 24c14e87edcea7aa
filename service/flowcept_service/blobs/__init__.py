"""Blobs: the rules by which bytes come in, become versions of objects, and go out again. No gRPC in here."""
