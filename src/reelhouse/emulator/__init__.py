"""An emulator of TMDB: a real HTTP server with an invented catalogue. It imports nothing else of reelhouse."""

from reelhouse.emulator.http.running import Emulator, EmulatorStats
from reelhouse.emulator.http.serving import serve_forever
from reelhouse.emulator.options import EmulatorError, EmulatorOptions

__all__ = ["Emulator", "EmulatorError", "EmulatorOptions", "EmulatorStats", "serve_forever"]
