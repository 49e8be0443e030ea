"""``python -m fairrun.results FOLDER``: the runs below a folder."""

from fairrun.report.listing import main

main()
