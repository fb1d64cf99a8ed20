"""Decoders: processes that turn files into small squares of pixels, and may crash or hang."""
