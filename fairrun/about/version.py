"""What is installed: fairrun and what its results come from."""

import platform
from importlib.metadata import version
from pathlib import Path

import fairrun

FLAG = "--version"


def text() -> str:
    """The versions of fairrun, Python, torch and Hydra, and where fairrun is, in two lines."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "hydra-core"))
    versions = f"fairrun {fairrun.__version__}, Python {platform.python_version()}, {libraries}"
    return f"{versions}\n{Path(fairrun.__file__).parent}"
