"""The indexer: builds and maintains collections."""
