"""The layout that data engineering courses ask for: copies of landed answers, and checks of files that others wrote."""
