"""Upkeep of tables without an engine: many small files into few, logs summed up, what no reader needs removed."""
