"""The lake's tables elsewhere: in PostgreSQL, in a DuckDB or SQLite file, in folders of CSV or Parquet files.

One contract (`outcome.Target`) and one suite of tests over all. A target notes what it was given, so that an export of
what is there already writes nothing; whatever fails, the target is as it was.
"""
