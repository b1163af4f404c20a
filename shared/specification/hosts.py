"""Vendors and hosts: where a vendor may be, and which vendor a URL's host has, a configured or an ad-hoc one. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from shared.errors import Problem
from shared.specification.addresses import is_private
from shared.specification.parse import parse
from shared.specification.values import mistake_of
from shared.specification.vendor import AD_HOC, Vendor, check_url

_VENDOR: TypeAdapter[Vendor] = TypeAdapter(Vendor)
_NOT_ALLOWED = "expected a public address, or network: {private_addresses: allow}"


def read_vendor(document: Any) -> Vendor:
    """A vendor's document as its model.

    Raises:
        Invalid: with one problem for each mistake, an address that the vendor does not allow among them.
    """
    refused = isinstance(document, Mapping) and _is_refused(document.get("base_url"), document.get("network"))
    return parse(_VENDOR, document, [Problem("/base_url", _NOT_ALLOWED)] if refused else [])


def check_address(vendor: Vendor) -> Vendor:
    """The same for a vendor that comes as a model.

    Raises:
        ValidationError: it does not allow its own address.
    """
    if _is_refused(vendor.base_url, vendor.network.model_dump()):
        raise mistake_of("base_url", _NOT_ALLOWED)
    return vendor


def _is_refused(url: Any, network: Any) -> bool:
    """Of a vendor as it was written, right or wrong."""
    try:
        private = isinstance(url, str) and is_private(check_url(url))
    except ValueError:
        return False
    return private and not (isinstance(network, Mapping) and network.get("private_addresses") == "allow")


def ad_hoc_vendor(url: str) -> str:
    """The name of the ad-hoc vendor of a URL's host."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    return f"{AD_HOC}{host}"


def host_mistakes(url: str, vendor: Vendor) -> list[Problem]:
    """The problem of an outgoing webhook that names a vendor, and whose URL is not of that vendor's host."""
    here, there = urlsplit(url), urlsplit(vendor.base_url)
    if (here.scheme, here.netloc.lower()) == (there.scheme, there.netloc.lower()):
        return []
    return [Problem("/deliver", f"expected a URL of {vendor.vendor}, which is at {vendor.base_url}")]
