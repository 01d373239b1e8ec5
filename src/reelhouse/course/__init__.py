"""The layout that data engineering courses require: copies of landed answers, and checks of files that others wrote."""
