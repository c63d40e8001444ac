"""What will be done, before it is done: every keyframe, its parent, its key and its cost."""
