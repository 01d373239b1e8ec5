"""`reelhouse browse`: an export in SQLite, made ready for datasette, which shows it in a browser."""
