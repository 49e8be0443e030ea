"""What papers claim, as data: read, tested on runs, and told with a verdict each (``fairrun reproduce``)."""
