"""Checks of a run before it is trained: its keys, its configuration alone, and with the facts about its data."""
