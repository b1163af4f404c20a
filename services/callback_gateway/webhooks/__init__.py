"""`POST /in/{hook}`: somebody else's webhooks → `webhooks.received`, once each, durable before they are answered."""
