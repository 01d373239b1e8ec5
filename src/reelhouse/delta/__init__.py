"""Delta Lake: the log, commits by an engine or by delta-rs, and the files that no version needs."""
