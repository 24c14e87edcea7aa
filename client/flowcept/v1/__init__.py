"""Generated from `protos/flowcept/v1`; not to be edited."""
