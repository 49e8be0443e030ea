"""What is kept of runs while they train."""
