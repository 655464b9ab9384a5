"""The version. Here, because importlib.metadata takes 16 ms of every start to look it up."""

__version__ = "0.1.0"
