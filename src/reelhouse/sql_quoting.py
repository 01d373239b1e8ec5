"""Names and texts in SQL as the standard has it, and DuckDB, SQLite and PostgreSQL read it. Spark's SQL differs."""


def quoted(name: str) -> str:
    """The name of a table or column."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"
