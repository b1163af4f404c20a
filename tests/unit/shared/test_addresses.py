"""Which addresses are public, and which hosts are addresses, however they are spelled."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.specification.addresses import is_public, literal_address

# fmt: off
PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "203.0.113.5", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:a9fe:a9fe",
    "::ffff:0:7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:808:808::", "2001:0:7f00:1::",
    "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "100::1",
]
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::808:808",
]
# fmt: on


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_not_public_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_allowed(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_a_private_address_stays_private_inside_another(inner: IPv4Address) -> None:
    number = int(inner)
    for outer in (number, 0xFFFF << 32 | number, 0x0064FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert is_public(inner) or not is_public(IPv6Address(outer))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0", "0.0.0.0"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("LocalHost.", "127.0.0.1"),
        ("deep.localhost", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::ffff:a9fe:a9fe]", "::ffff:a9fe:a9fe"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_is_seen_through_its_spelling(host: str, address: str) -> None:
    assert literal_address(host) == ip_address(address)


@pytest.mark.parametrize("host", ["", "example.com", "08.1.1.1", "1.2.3.4.5", "256.1.1.1", "4294967296", "1..2", "a"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal_address(host) is None


@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=4), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_numbers_are_read_as_the_system_reads_them(numbers: list[int], form: str) -> None:
    host = ".".join(form.format(number) for number in numbers)
    try:
        expected = IPv4Address(socket.inet_aton(host))
    except OSError:
        assert literal_address(host) is None
    else:
        assert literal_address(host) == expected


@given(st.text() | st.text("0123456789abcdefx.:[]%", max_size=20))
def test_any_text_is_a_name_or_an_address_that_reads_the_same_again(host: str) -> None:
    found = literal_address(host)
    assert found is None or literal_address(str(found)) == found
