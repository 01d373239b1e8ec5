"""Tables of the course layout as Parquet, a folder a day: copies of built tables, and uploaded CSV files."""
