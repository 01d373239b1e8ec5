"""From parsed answers to one typed table per thing: DataFrames in and out, nothing else."""

from reelhouse.tables.catalogue import TABLES

__all__ = ["TABLES"]
