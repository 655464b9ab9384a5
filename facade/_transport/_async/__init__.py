"""Connections, and one exchange over them."""
