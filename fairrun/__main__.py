"""``python -m fairrun``: the command ``fairrun``."""

from fairrun.cli.main import main

main()
