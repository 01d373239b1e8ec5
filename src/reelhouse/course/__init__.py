"""The layout that data engineering courses ask for: checks of files that others wrote."""
