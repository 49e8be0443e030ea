"""Records of runs: ``load`` reads all below a folder as one frame."""

from fairrun.results.records import load

__all__ = ["load"]
