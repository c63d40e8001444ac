"""The networks that decode latents to pictures, and encode pictures to latents."""
