"""What TMDB has of each kind of thing: declarations, and what follows from them. Needs no engine."""
