"""A TMDB of one's own: a real HTTP server with an invented catalogue. It imports nothing else of reelhouse."""

from reelhouse.emulator.options import EmulatorError, EmulatorOptions
from reelhouse.emulator.running import Emulator, EmulatorStats
from reelhouse.emulator.serving import serve_forever

__all__ = ["Emulator", "EmulatorError", "EmulatorOptions", "EmulatorStats", "serve_forever"]
