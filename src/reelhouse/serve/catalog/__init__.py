"""Entries for the tables of a lake in S3 in a catalogue: Athena and Databricks read only tables that theirs names.

One contract (`registration.Catalogue`), two catalogues (`glue`, `unity`), one suite of tests over both.
"""
