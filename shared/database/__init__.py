"""Postgres: the pool and its transactions, SQL files, migrations. Nothing else imports asyncpg."""
