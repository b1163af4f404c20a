"""What Sluice is measured against. Each peer is a program that prints one JSON line: {records, seconds}."""
