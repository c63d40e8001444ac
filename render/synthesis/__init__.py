"""One keyframe: where its latent starts, its losses, and the loop that minimises them."""
