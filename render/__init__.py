"""Render: a batch animation renderer. A YAML storyboard in, a film out."""

__version__ = "0.1.0"
