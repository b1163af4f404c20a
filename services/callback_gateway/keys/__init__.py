"""API keys: made and revoked by an operator, looked up by the edge. What is kept of a key is its digest."""
