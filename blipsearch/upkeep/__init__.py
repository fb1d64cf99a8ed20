"""Keeping a library sound: verified, repaired, copied, handed on, thinned out, packed.

Functions on a library's directory or an open library. They return what they found and did; the
command line prints it.
"""

__all__: list[str] = []
