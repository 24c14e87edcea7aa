"""Domain types and pure rules: no protobuf, no gRPC, no storage."""
