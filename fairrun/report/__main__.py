"""``python -m fairrun.report FOLDER``: a sweep's tables, pictures and page."""

from fairrun.report.cli import main

main()
