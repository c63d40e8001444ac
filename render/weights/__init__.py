"""The networks' files: which there are, where they lie, and how they are got and checked."""
