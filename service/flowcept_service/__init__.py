"""The Flowcept service: a gRPC server that keeps workflow provenance and versioned blobs."""
