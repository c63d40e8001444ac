"""The networks that make pictures out of latents."""
