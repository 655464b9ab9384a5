"""What is said where an extra of this package is not installed."""


def needs(what: str, package: str | None, extra: str) -> str:
    """Say what needs which package, and how that is installed: from an index, or from the source.

    Args:
        what: What cannot be had without it.
        package: The package, as it is imported: an `ImportError` has its `name`.
        extra: The extra that brings it.
    """
    return (
        f"{what} needs the package {package!r}; pip install 'together-speech[{extra}]', or "
        f"pip install '.[{extra}]' in the checkout"
    )
