"""Which tables are built when, from what, and which of their versions belong together."""
