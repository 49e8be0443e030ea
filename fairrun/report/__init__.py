"""The report on a sweep: tables, pictures and a page, written into the folder of its runs.

    from fairrun.report import ReportOptions, report

    report("outputs/sweeps/SWEEP", ReportOptions(columns=("roc_auc",), histories=("train/loss",)))

``report`` returns the files.  What the options do not say, the records of the runs do.  The command
``python -m fairrun.report outputs/sweeps/SWEEP --columns roc_auc --histories train/loss`` prints the tables too.
``sections`` lists what a report is made of.
"""

from pathlib import Path

from fairrun.report.options import ReportOptions

__all__ = ["ReportOptions", "report"]


def report(folder: Path | str, options: ReportOptions = ReportOptions()) -> list[Path]:  # noqa: B008 - it is frozen
    """Write the report on the runs below ``folder`` into it, and return its files.

    Raises ``InputError``: no finished run below the folder, or an option names what no run has.
    """
    from fairrun.report import cli  # here: options are read where nothing is drawn, and matplotlib takes half a second

    return cli.report(Path(folder), options)
