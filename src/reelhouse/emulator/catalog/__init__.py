"""The invented or given catalogue that the emulator answers from."""
