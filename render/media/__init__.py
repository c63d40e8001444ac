"""Files that are whole or not there, and everything that ffmpeg does."""
