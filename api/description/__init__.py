"""How the service describes itself: the names, errors and examples of its OpenAPI document."""
