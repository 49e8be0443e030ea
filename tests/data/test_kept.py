"""Encoded data sets in the cache."""

import os
import shutil
from importlib.metadata import version

import pytest
import torch

from fairrun.data import kept as module
from fairrun.data.kept import kept
from fairrun.data.sources import cache_folder
from fairrun.data.table import Data
from fairrun.datasets.german import German
from fairrun.runs import job
from tests.helpers.jobs import job as a_job
from tests.helpers.jobs import jobs_of, train
from tests.helpers.synthetic import table


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Data of any size are kept, in a cache of the test's own -> the one of all tests."""
    shared = cache_folder()
    monkeypatch.setattr(module, "LEAST", 0)
    monkeypatch.setenv("FAIRRUN_CACHE", str(tmp_path / "cache"))
    return shared


def data(num_rows=20, **changed):
    features = [f"x{k}" for k in range(6)]
    tables = [table(num_rows, seed=seed) for seed in range(3)]
    balanced, encoder = torch.arange(3), {"encoding": {"scale": [0.1, None]}, "labels": {"": ["no", "yes"]}}
    return Data(*tables, features, ["a", "b"], "hash", balanced, encoder=encoder)._replace(**changed)


def never():
    raise AssertionError("it is kept")


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.stride() == other.stride() and one.equal(other)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"outliers": torch.tensor([True, False])},
        {"numbers": {"train": torch.arange(2)}, "tasks": ["t", "u"], "classes": ["a", "b", "c"], "categories": [2]},
    ],
)
def test_what_is_kept_comes_back_bit_for_bit(changed):
    made = data(**changed)
    assert kept("a", lambda: made) is made
    assert same(kept("a", never), made)
    assert kept("b", lambda: data(5)).train.x.shape == (5, 6)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:50] + bytes([b[50] ^ 1]) + b[51:], lambda b: b""])
def test_a_damaged_file_is_made_again(damage):
    made = data()
    kept("a", lambda: made)
    (path,) = (cache_folder() / "encoded").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert kept("a", lambda: made) is made
    assert path.read_bytes() == whole
    assert same(kept("a", never), made)


def test_those_that_were_used_longest_ago_make_room(monkeypatch):
    kept("a", data)
    (path,) = (cache_folder() / "encoded").iterdir()
    monkeypatch.setattr(module, "ALL", int(2.5 * path.stat().st_size))
    kept("b", data)
    for name, used in (("a", 1), ("b", 2)):
        os.utime(path.with_name(f"{name}.pt"), (used, used))
    kept("a", never)
    kept("c", data)
    assert sorted(file.name for file in path.parent.iterdir()) == ["a.pt", "c.pt"]


def test_a_cache_that_cannot_be_written_and_data_of_another_size_keep_nothing(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert same(kept("a", data), data())
    (tmp_path / "cache").unlink()
    for bound, value in (("MOST", 1), ("LEAST", 10**9)):
        monkeypatch.setattr(module, bound, value)
        kept("a", data)
        assert not (tmp_path / "cache").exists()


def encoded():
    return {path.name for path in cache_folder().rglob("*.pt")}


def test_a_users_own_table_is_read_again(tmp_path, described):
    train(tmp_path, jobs_of(tmp_path, described))
    assert not encoded()


def test_every_key_of_the_data_makes_another_file_and_kept_data_are_the_same(tmp_path, small, monkeypatch):
    with monkeypatch.context() as context:
        context.setenv("FAIRRUN_CACHE", str(small))
        German().frame(None)  # fetched once
    shutil.copytree(small, cache_folder(), ignore=lambda _, names: {n for n in names if "german" not in n})
    first = a_job(tmp_path, "dataset=german").config
    job.forget_data()
    made = job.load(first)
    (name,) = encoded()
    job.forget_data()
    assert same(job.load(first), made)
    assert encoded() == {name}
    for override in ("dataset.scale=none", "dataset.split.seed=1", "dataset.numbers=bins"):
        job.load(a_job(tmp_path, "dataset=german", override).config)
    assert len(encoded()) == 4
    monkeypatch.setattr(job, "version", lambda name: "0" if name == "scipy" else version(name))  # it makes quantiles
    job.forget_data()
    job.load(first)
    assert len(encoded()) == 5
    job.forget_data()
