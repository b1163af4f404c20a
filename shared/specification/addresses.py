"""Which internet addresses are public. Pure.

`ipaddress.is_global` alone is not enough: it lets addresses pass that carry a private IPv4 address inside (mapped,
compatible, NAT64), multicast, and some that clouds use for themselves; of tunnels (6to4, RFC 7526; Teredo) each version
of Python thinks something else, and no API is there. Hosts may be written as numbers, too, in the forms that
`inet_aton` takes.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

_AZURE = "168.63.129.16/32"
"""Looks public, and is how machines in Azure reach what manages them."""
_REFUSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        _AZURE,
    )
)
_REFUSED_V6 = tuple(
    IPv6Network(text)
    for text in (
        *("fc00::/7", "fe80::/10", "fec0::/10", "100::/64", "2001:db8::/32", "3fff::/20"),
        *("2001::/32", "2002::/16"),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
PRIVATE_NETWORKS = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
"""Where vendors may be that are allowed private addresses, unless the installation says otherwise: never where clouds
tell machines their credentials (link-local, Azure's, those that AWS has within fc00::/7)."""

_PART = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


def literal_address(host: str) -> Address | None:
    """The address that a host is written as: dotted, `127.1`, `2130706433`, `0x7f.1`, `[::1]`, `localhost`. Nothing
    for a name that must be looked up."""
    name = host.strip("[]").rstrip(".").lower()
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(name.split("%", 1)[0])
    except ValueError:
        return _numeric(name)


def is_private(url: str) -> bool:
    """Whether the host of a URL is written as an address that is not public. What a name stands for is only known when
    it is looked up, so calls are checked again."""
    address = literal_address(urlsplit(url).hostname or "")
    return address is not None and not is_public(address)


def _numeric(name: str) -> IPv4Address | None:
    """One to four numbers, decimal, octal or hexadecimal, the last one filling what is left (`inet_aton`)."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_PART.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    *heads, last = numbers
    if any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
        return None
    return IPv4Address(sum(head << (24 - 8 * index) for index, head in enumerate(heads)) + last)


def _number(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and part != "0" else int(part)


def networks_of(text: str) -> Networks:
    """The networks of a list such as `10.0.0.0/8,::1/128`; none of an empty one.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, whatever it carries inside."""
    if isinstance(address, IPv6Address) and address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if any(address in network for network in _REFUSED_V6):
        return False
    return all(is_public(inner) for inner in _embedded(address))


def _embedded(address: IPv6Address) -> list[IPv4Address]:
    if address in _COMPATIBLE:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address.ipv4_mapped] if address.ipv4_mapped is not None else []
