"""The tables of a lake in S3, named in a catalogue: Athena and Databricks read only what theirs names.

One contract (`refreshing.Catalogue`), two catalogues (`glue`, `unity`), one suite of tests over both.
"""
