"""fairrun from Python: saved models, runs, sweeps, and a classifier for scikit-learn."""
