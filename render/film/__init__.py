"""A plan in, a finished video out: the outer loop, and the frames between keyframes."""
