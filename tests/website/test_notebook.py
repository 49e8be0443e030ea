"""The notebook of the tutorials works, and its page is what it is."""

import pytest

from website import links, notebook


@pytest.fixture
def shorter():
    """The notebook with fewer seeds and epochs, without workers."""
    found = notebook.read()
    for cell in found["cells"]:
        changed = cell["source"].replace("seed=range(5)", "seed=range(2)").replace("epochs=20", "epochs=2")
        cell["source"] = changed.replace("fairrun.sweep(", 'fairrun.sweep("hydra.launcher.executor=inline",')
    return found


@pytest.mark.slow
def test_its_cells_can_be_carried_out(shorter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(links.ROOT))
    names = {}
    printed = [text for _, text in notebook.carried_out(shorter, names)]
    assert len(names["results"].runs()) == 2 * 4
    assert set(names["model"].predict(names["rows"])) <= {"yes", "no"}
    assert "demographic parity difference of the labels" in "".join(printed)
    assert printed[-1].startswith("# Model card:")


def test_every_cell_that_prints_has_kept_it():
    cells = [cell for cell in notebook.read()["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in cells)


def test_its_page_has_code_and_what_it_prints():
    page = notebook.page(notebook.read())
    assert "```python\nresults = fairrun.sweep(\n" in page and "```console\nfairrun data loans.csv" in page
    assert "[Download this page as a notebook](notebook.ipynb)" in page
    assert "```text\n<20 of 20 runs finished, in outputs/loans>\n```" in page
