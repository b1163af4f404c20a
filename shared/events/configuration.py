"""Configuration carried as state on compacted topics; a tombstone deletes."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from shared.events.envelope import Event
from shared.specification.hook import Hook
from shared.specification.hosts import check_address
from shared.specification.source import Source
from shared.specification.vendor import Vendor


class VendorConfigured(Event):
    """The vendor as it is from now on."""

    type: Literal["vendor.configured"] = "vendor.configured"
    vendor: Annotated[Vendor, AfterValidator(check_address)]


class SourceConfigured(Event):
    """The source as it is from now on."""

    type: Literal["source.configured"] = "source.configured"
    source: Source


class HookConfigured(Event):
    """The hook as it is from now on."""

    type: Literal["hook.configured"] = "hook.configured"
    hook: Hook


def named(event: VendorConfigured | SourceConfigured | HookConfigured) -> tuple[str, Vendor | Source | Hook]:
    """The document of an event, under its name."""
    match event:
        case VendorConfigured(vendor=vendor):
            return vendor.vendor, vendor
        case SourceConfigured(source=source):
            return source.source, source
        case HookConfigured(hook=hook):
            return hook.hook, hook
