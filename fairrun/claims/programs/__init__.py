"""Measurements that are no runs of a method: each ``measured`` gives a row a seed, with columns ``measured/...``."""
