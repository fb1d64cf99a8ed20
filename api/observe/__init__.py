"""What the service lets its operators see: a line a request, request ids, metrics."""

from api.observe.logs import configure_logging
from api.observe.metrics import Metrics
from api.observe.requests import RequestObserver, note_stages

__all__ = ["Metrics", "RequestObserver", "configure_logging", "note_stages"]
