"""Which URLs may tell the service whom to trust."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_protected(url: str) -> bool:
    """Whether what comes from a URL cannot be changed on its way: ``https``, or plain ``http`` on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return (parts.scheme == "https" and bool(host)) or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
