"""The texts of the commands: examples, exit codes and the generated reference page."""
