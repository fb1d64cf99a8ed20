"""Which addresses are somewhere on the public internet, and not this machine or its neighbours."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address

import anyio

__all__ = ["Address", "Lookup", "is_public", "is_public_web", "looked_up"]

Address = IPv4Address | IPv6Address
Lookup = Callable[[str], Awaitable[list[Address]]]
"""Finds the addresses of a host; raises OSError, UnicodeError or ValueError where it has none."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOBODYS = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"),  # Python's list of them is not whole
        "168.63.129.16/32",  # what a cloud answers its own machines at, though it looks public
    )
)
_WEB_PORTS = frozenset({80, 443})


async def looked_up(host: str) -> list[Address]:
    """Return the addresses that this machine knows a host by, in the order to try them."""
    found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(place[0]) for *_, place in found]


def is_public_web(address: Address, port: int) -> bool:
    """Whether it is a web server's port at a public address."""
    return port in _WEB_PORTS and is_public(address)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet's.

    An IPv6 address that stands for an IPv4 address (mapped, 6to4, Teredo, NAT64) is public where
    that one is, since that is where it leads.
    """
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return all(is_public(one) for one in inner)
        if address.is_reserved or address.is_site_local:
            return False
    if any(address in network for network in _NOBODYS):
        return False
    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> tuple[IPv4Address, ...] | None:
    """The IPv4 addresses that an IPv6 address leads to; None where it is its own."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return None
