"""Access to what was built: SQL, DataFrames, exports, catalogues and the data dictionary."""
