"""Which machine speaks: what an emulator has spoken is never taken for the real service's."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
