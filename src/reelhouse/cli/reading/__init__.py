"""Commands that look at a lake: SQL, one record, a report, a browser."""
