"""Measurements: `make bench`. Speed is judged here, never in the tests."""
