"""Delta Lake: the log, data files, commits, and the files that no version needs."""
