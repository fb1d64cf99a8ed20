"""Who may ask the service for what, and how much: keys, limits, headers, foreign pages and URLs.

What looks at every request is pure ASGI: so streams stay streams, a client that leaves is noticed,
and nothing of a request is read before it is known who sends it.
"""

from api.security.headers import SecurityHeaders
from api.security.intake import Intake
from api.security.origins import is_loopback
from api.security.protection import protect

__all__ = ["Intake", "SecurityHeaders", "is_loopback", "protect"]
