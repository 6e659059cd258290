"""The network address that a request came from."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

# The network part of an IPv6 address: one subscriber has at least so many addresses.
IPV6_PREFIX = 64


def network_address(request: HttpRequest) -> str:
    """Return the address of the sender: the last one in CLIENT_ADDRESS_HEADER if that is set, else the connection's.

    The last address is the one that our own proxy added; those before it are the sender's claim.
    """
    header = request.headers.get(settings.CLIENT_ADDRESS_HEADER, "") if settings.CLIENT_ADDRESS_HEADER else ""
    claimed = header.rpartition(",")[2].strip()
    return normalize_address(claimed) or normalize_address(request.META.get("REMOTE_ADDR", "")) or "unknown"


def normalize_address(text: str) -> str:
    """Return an IPv4 address, or the network of an IPv6 address; empty for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address.packed, IPV6_PREFIX), strict=False))
