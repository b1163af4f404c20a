"""The payload store: raw bytes, content-addressed by job and task, in a local folder or an S3-compatible store."""
