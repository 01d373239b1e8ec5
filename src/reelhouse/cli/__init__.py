"""The command line: one module a command; `output` shows results."""
