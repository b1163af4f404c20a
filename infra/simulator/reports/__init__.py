"""Asynchronous jobs of a simulated vendor: submit, wait for a callback or ask, fetch rows, abort."""
