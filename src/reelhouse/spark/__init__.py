"""reelhouse inside Apache Spark: a job's entry, and TMDB as a data source."""
