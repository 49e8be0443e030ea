"""Random configurations, tables and kills: none may end in anything but a result or one message."""
