"""What has been built, handed out: SQL, DataFrames, files, and the dictionary of it all."""
