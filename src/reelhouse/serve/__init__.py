"""Access to what was built: SQL, DataFrames, exports, catalogues and the data dictionary."""

# The wording of TMDB's terms of use, and what JustWatch requires.
ATTRIBUTION = "This product uses TMDB and the TMDB APIs but is not endorsed, certified, or otherwise approved by TMDB."
JUSTWATCH = "Data on where titles can be watched is provided by JustWatch."
