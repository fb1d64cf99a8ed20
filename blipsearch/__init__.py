"""blipsearch: image search that can say how well a picture matches a sentence."""

__version__ = "0.1.0"
