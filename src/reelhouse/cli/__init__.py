"""The command line: one module a command; `display` shows results."""
