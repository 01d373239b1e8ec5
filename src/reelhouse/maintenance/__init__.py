"""Maintenance of tables without an engine: compact, checkpoint, vacuum."""
