"""PostgreSQL as a target: rows are loaded beside the tables, then all tables change in one transaction."""
