"""The vendor of a URL's host: a configured one, or an ad-hoc one. Pure."""

from urllib.parse import urlsplit

from shared.errors import Problem
from shared.specification.vendor import AD_HOC, Vendor


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
