"""What must go: its selection, the purge, and the proof that it is gone."""
