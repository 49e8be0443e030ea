"""The table of the runs below a folder."""

import pandas as pd
import pytest

from fairrun.report import listing
from fairrun.results import records as results
from tests.helpers.records import record

HISTORY = pd.DataFrame({"epoch": [1, 2], "val/accuracy": [0.5, 0.75]})


def test_the_table_of_what_is_there_says_first_what_is_not_finished(tmp_path, capsys):
    metric = {"metric": {"name": "accuracy_difference"}}
    for number, changes in enumerate(({}, {"status": "failed", "failure": "no space\nleft"}, {})):
        (tmp_path / str(number)).mkdir()
        config = record()["config"] | metric | {"seed": number}
        results.write(tmp_path / str(number), record(config=config, **changes), HISTORY)
    (tmp_path / "2" / results.RECORD).write_text("garbage")
    listing.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.index("failed:") < printed.index("corrupt:") < printed.index("0.7500")
    assert "left" in printed
    assert f"{tmp_path}: 1 finished, 1 failed, 1 corrupt" in printed


def test_the_table_of_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="must hold results of runs"):
        listing.main([str(tmp_path)])
