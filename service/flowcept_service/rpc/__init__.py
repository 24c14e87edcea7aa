"""gRPC: servicers decode, call once and encode; converters know both sides."""
