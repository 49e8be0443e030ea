"""The results that the repository keeps, docs/reproduced: the pages are made of them, and their commands still run."""

import io
import shlex
from pathlib import Path

import matplotlib
import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf
from PIL import Image

import fairrun
from fairrun.api.session import session, words
from fairrun.claims import spec
from fairrun.claims.frames import stored
from fairrun.claims.pictures import SOFTWARE
from fairrun.claims.reproduce import Order, reproduce
from fairrun.config.keys import CONF
from tests.helpers.composed import jobs_of
from tests.helpers.quick import few

ROOT = Path(fairrun.__file__).parents[1]
KEPT = ROOT / "docs" / "reproduced"
FILES = sorted(KEPT.rglob("*.parquet"))
KEY = "dataset.split.seed"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A folder with the pages, made anew."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # pages name the folder of the results as the command does
        reproduce(spec.names(), Order("quick", None, None, folder, None, KEPT.relative_to(ROOT)))
    return folder


def test_stored_results_give_the_page_of_a_paper(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    reproduce(["mtaf"], Order("quick", None, None, tmp_path, None, KEPT.relative_to(ROOT)))
    assert (tmp_path / "mtaf.md").read_text() == (KEPT / "mtaf.md").read_text()


@pytest.mark.slow
def test_stored_results_give_the_pages_that_are_kept(pages):
    made = {path.name: path.read_text() for path in pages.glob("*.md")}
    assert made.keys() == {"index.md", *(f"{name}.md" for name in spec.names())}
    again = "fairrun reproduce all --from docs/reproduced"
    assert made == {path.name: path.read_text() for path in KEPT.glob("*.md")}, f"{again} writes the pages anew"


@pytest.mark.slow
def test_stored_results_give_the_pictures_that_are_kept(pages):
    """Another version of matplotlib draws them a little differently."""
    made = {path.name: path.read_bytes() for path in pages.glob("*.png")}
    assert made.keys() == {path.name for path in KEPT.glob("*.png")} != set()
    for name, content in made.items():
        kept = (KEPT / name).read_bytes()
        same = Image.open(io.BytesIO(kept)).info[SOFTWARE] == f"matplotlib {matplotlib.__version__}"
        assert content == kept if same else Image.open(io.BytesIO(content)).size[0] > 0


def test_stored_results_are_of_sources_that_a_paper_has_and_small():
    for path in FILES:
        budget, paper, _ = path.relative_to(KEPT).parts
        assert path.stem in spec.read(paper).sources and budget == stored(path)[1]["budget"]
    assert 0 < sum(path.stat().st_size for path in KEPT.rglob("*") if path.is_file()) < 1_500_000


def test_seeds_that_are_to_have_splits_of_their_own_have_them_in_the_stored_results():
    own = []
    for path in FILES:
        frame, about = stored(path)
        benchmark, *given = spec.read(path.parent.name).sources[path.stem].words(about["budget"]) or [""]
        if not any(word.startswith(f"{KEY}=") for word in given):
            file = CONF / "benchmark" / f"{benchmark.partition('=')[2]}.yaml"
            given = [OmegaConf.to_container(OmegaConf.load(file)).get("common", {}).get(KEY)] if benchmark else []
        if any(str(word).endswith("${seed}") for word in given):
            own.append(path.stem)
            assert (frame[KEY].astype(int) == frame["seed"].astype(int)).all(), path
    assert {"splits", "tuned", "split_by_seed"} <= {*own}


@pytest.mark.parametrize("path", few(FILES, 6), ids=lambda path: str(path.relative_to(KEPT)))
def test_the_command_of_stored_results_names_keys_and_files_that_are_there(path):
    _, about = stored(path)
    if not about["command"]:  # a measurement
        assert spec.read(path.parent.name).sources[path.stem].program is not None
        return
    given = words(shlex.split(about["command"])[2:], {}, several=True)
    with session(given, RunMode.MULTIRUN) as (context, config):
        _, jobs = jobs_of(context, config)
        for job in (jobs[0], jobs[-1]):
            context.config_loader.load_sweep_config(config, job)
