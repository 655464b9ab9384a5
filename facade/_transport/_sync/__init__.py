# Made from facade/_transport/_async/__init__.py by `make generate`; edit that one.
"""Connections, and one exchange over them."""
