"""From parsed answers to one typed table per thing: DataFrames in and out, nothing else."""
