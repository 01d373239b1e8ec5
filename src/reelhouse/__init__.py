"""reelhouse: TMDB as data, whole, typed and reconciled."""

__version__ = "0.1.0"
