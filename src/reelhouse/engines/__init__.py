"""Sessions of the table engine: Sail in its own process, or Apache Spark; and how they reach a lake."""
