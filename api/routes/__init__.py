"""The routes, one file a resource."""

from blipsearch.schemas import build_all

build_all()
