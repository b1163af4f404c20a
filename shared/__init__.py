"""Contracts and plumbing that every service stands on: events, specification, messaging, database, payloads, runtime."""
