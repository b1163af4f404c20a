"""The HTTP API: translate, check, make durable, read. No decisions about jobs are made here."""
