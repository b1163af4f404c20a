"""Permits: the contract with a vendor, kept over all fetchers by leases of exact moments."""
