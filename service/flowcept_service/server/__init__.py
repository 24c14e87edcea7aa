"""The running service: put together, listening, sweeping, drained."""
