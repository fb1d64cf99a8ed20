"""Which addresses may be fetched from: the public internet's, however they are written."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from blipsearch.fetching.addresses import is_public, is_public_web, looked_up

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",  # a provider's own net
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",  # where clouds tell their machines' secrets
    "172.16.0.1",
    "192.0.0.192",  # as does this
    "168.63.129.16",  # and this, which looks public
    "192.88.99.1",
    "3fff::1",
    "64:ff9b:1::7f00:1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"]


@pytest.mark.parametrize("text", PRIVATE)
def test_this_machine_and_its_neighbours_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not is_public_web(ip_address(text), 443)


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet_is_public_but_only_its_web_ports_are_asked(text: str) -> None:
    address = ip_address(text)
    assert is_public(address)
    assert [port for port in (0, 22, 25, 80, 443, 6379, 8080) if is_public_web(address, port)] == [
        80,
        443,
    ]


@pytest.mark.parametrize(
    "form",
    [
        "::ffff:{0}",  # mapped
        "64:ff9b::{0}",  # NAT64
        "2002:{1}::",  # 6to4
        "2001:0:{1}::",  # Teredo, by its server
        "::{0}",  # compatible, long given up
        "64:ff9b:1::{0}",  # NAT64 of one's own net
    ],
)
@pytest.mark.parametrize("inner", [text for text in PRIVATE if "." in text])
def test_a_private_address_inside_of_another_is_as_private(form: str, inner: str) -> None:
    packed = int(ip_address(inner))
    text = form.format(inner, f"{packed >> 16:x}:{packed & 0xFFFF:x}")
    assert not is_public(ip_address(text))


def test_a_public_address_behind_a_gateway_is_public() -> None:
    for text in ("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"):
        assert is_public(ip_address(text))


@pytest.mark.parametrize("text", ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "localhost"])
def test_any_spelling_of_this_machine_is_looked_up_to_its_address(text: str) -> None:
    found = asyncio.run(looked_up(text))
    assert found
    assert not any(is_public(address) for address in found)
