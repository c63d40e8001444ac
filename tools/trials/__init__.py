"""The trials of `torture.py`: what is done to Render, and what must come out of it."""
