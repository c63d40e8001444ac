"""What paints: each kind of generator makes pictures of latents, and latents of pictures."""
