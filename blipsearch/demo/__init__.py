"""The demo: a gallery of picture-book scenes, indexed and searched by the built-in checkpoint."""

from blipsearch.demo.gallery import DEMO_COLLECTION, ensure_demo
from blipsearch.demo.showcase import Showcase, Shown, show

__all__ = ["DEMO_COLLECTION", "Showcase", "Shown", "ensure_demo", "show"]
