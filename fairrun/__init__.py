"""fairrun: a Hydra-configured experiment runner for fair machine learning."""

__version__ = "0.2.0"
