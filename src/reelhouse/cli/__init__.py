"""The command line: commands by name; `reading` has those that look at a lake, `help` texts, `terminal` the screen."""
