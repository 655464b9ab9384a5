# Made from facade/_async/__init__.py by `make generate`; edit that one.
"""The client and its stream."""
