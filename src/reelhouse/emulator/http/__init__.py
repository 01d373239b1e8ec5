"""The emulator's HTTP side: requests, faults, rate limit, control."""
