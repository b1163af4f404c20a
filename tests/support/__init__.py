"""What tests share: a cluster, servers that misbehave, and ways to wait for a condition."""
