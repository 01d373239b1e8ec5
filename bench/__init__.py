"""What reelhouse costs, measured: `python -m bench` prints a table and writes docs/benchmarks.md."""
