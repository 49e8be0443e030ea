"""Decisions by a threshold for each group, fitted to validation rows of a trained run."""
