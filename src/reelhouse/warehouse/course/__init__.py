"""Tables of the course layout as Parquet, a folder per day: copies of built tables, and uploaded CSV files."""
