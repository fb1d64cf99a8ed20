"""Training BLIP: the built-in checkpoint from nothing, and any checkpoint on one's own pictures."""
