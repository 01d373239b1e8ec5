"""The command line: one module a command, their texts in `help`, the screen in `terminal`."""
