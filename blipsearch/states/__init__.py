"""States of images kept on disk for reranking: a cache with a budget, all of it derived."""

from blipsearch.states.checking import BadRecord, StatesReport, check_states, drop_states
from blipsearch.states.folder import Folder
from blipsearch.states.store import StateStore

__all__ = ["BadRecord", "Folder", "StateStore", "StatesReport", "check_states", "drop_states"]
