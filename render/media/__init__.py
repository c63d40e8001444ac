"""Files that are complete or absent, what Render notes in them, and everything that ffmpeg does."""

# `video` and `provenance` are imported from their modules: `render check` needs neither.
from render.media.atomic import FileError, atomic_write
from render.media.ffmpeg import VideoError
from render.media.sound import Audio

__all__ = ["Audio", "FileError", "VideoError", "atomic_write"]
