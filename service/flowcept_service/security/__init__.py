"""Who calls: tokens, certificates, and the files that they come from. Knows no gRPC."""
