"""What was written: a storyboard as dataclasses, and the parser that finds every mistake in it.

The parser is imported from its own module: those who only need the dataclasses do not load it.
"""

from render.storyboard.model import Storyboard
from render.storyboard.problems import Problem, StoryboardError

__all__ = ["Problem", "Storyboard", "StoryboardError"]
