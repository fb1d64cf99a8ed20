"""The BLIP layer: the only package that imports torch and transformers."""
