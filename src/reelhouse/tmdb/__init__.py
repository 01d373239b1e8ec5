"""Requests to TMDB: endpoints as data, one request at a time, listings read completely or refused."""
