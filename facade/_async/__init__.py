"""The client and its stream."""
