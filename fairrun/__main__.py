"""``python -m fairrun``: the command ``fairrun``."""

from fairrun.cli.main import main

if __name__ == "__main__":
    main()
