"""The charts of a report: ``chart`` says what is in one; ``picture`` draws it for a paper and ``plot`` for the page."""
