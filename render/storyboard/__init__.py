"""What an artist wrote: the storyboard as dataclasses, and the parser that finds its mistakes."""
