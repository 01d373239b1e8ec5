"""From settings to parts: storage, secrets, the collector. The one place that wires them together."""
