"""Where keyframes are made: in this process, one after another, or wherever another engine does."""

from render.engines.engine import Engine
from render.engines.serial import SerialEngine

__all__ = ["Engine", "SerialEngine"]
