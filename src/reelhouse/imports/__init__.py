"""A user's own files and databases, read in batches of bounded size, with types that lose nothing."""
