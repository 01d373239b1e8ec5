"""How TMDB is asked: endpoints as data, one request at a time, listings read whole or refused."""
