"""Sessions of the table engine: Sail beside this process, or Apache Spark; and what they need to reach a lake."""
