"""Memory that a process may use, and tables that are too large for it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairrun.config.check import InputError
from fairrun.data import memory
from fairrun.data.reading.files import _cells, parts


def limits(root, *lines, **files):
    """A machine's files on control groups; of ``files`` each name is a path below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("\n".join(lines) + "\n")
    for path, text in files.items():
        (root / "sys/fs/cgroup" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup" / path).write_text(f"{text}\n")
    return list(memory._limits(root))


def test_the_limits_of_control_groups_of_both_versions_count(tmp_path):
    """Those of the groups above count too; a container may see its own group as the root."""
    two = {"a/b/memory.max": "max", "a/memory.max": 300, "memory.max": 500}
    assert limits(tmp_path / "2", "0::/a/b", **two) == [300, 500]
    name = "memory.limit_in_bytes"
    one = {f"memory/job/{name}": 100, f"memory/{name}": 2**63 - 4096}
    assert limits(tmp_path / "1", "9:name=systemd:/", "4:cpu,memory:/job", "0::/", **one) == [100, 2**63 - 4096]
    assert limits(tmp_path / "seen", "4:memory:/docker/not/seen", **{f"memory/{name}": 700}) == [700]
    assert list(memory._limits(tmp_path / "none")) == []


def test_memory_is_that_of_the_group_where_it_is_less(monkeypatch):
    monkeypatch.setattr(memory, "_limits", lambda root: (12345,))
    assert memory.memory() == 12345
    monkeypatch.setattr(memory, "_limits", lambda root: (2**63,))
    assert memory.memory() < 2**63


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.csv.gz"])
def test_a_table_too_large_for_memory_is_refused_before_it_is_read(tmp_path, monkeypatch, name):
    """1000 rows of 4 columns are 4000 cells, 260,000 bytes; of the compressed file they are guessed."""
    path, frame = tmp_path / name, pd.DataFrame(np.random.default_rng(0).normal(size=(1000, 4)).round(3))
    frame.columns = list("abcd")
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    assert len(parts(str(path))) == 1
    monkeypatch.setattr("fairrun.data.reading.files.memory", lambda: 100_000)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    with pytest.raises(
        InputError, match=r"too large to train on here: about [\d.e+]+ cells need [\d.]+ GB of memory"
    ) as said:
        parts(str(path))
    assert "may use 0.0001 GB: take a sample of the rows" in str(said.value)
    if not name.endswith("gz"):
        assert _cells(path) == pytest.approx(4000, rel=0.01)


@pytest.mark.parametrize(
    ("numbers", "bins", "sizes", "key", "remedy"),
    [
        (1000, 1, {}, "numeric", "1000 are of columns of numbers: leave columns out"),
        (
            50,
            48,
            {"a": 9},
            "bins",
            "2400 are of columns of numbers: leave columns out, or take a smaller number than 48",
        ),
        (50, 1, {"a": 9, "b": 900}, "categorical", "most categories have 'b' (900), 'a' (9): leave such columns out"),
    ],
)
def test_features_too_large_for_memory_are_refused_by_the_key_that_makes_them(
    numbers, bins, sizes, key, remedy, monkeypatch
):
    monkeypatch.setattr(memory, "memory", lambda: 10**9)
    memory.refuse_too_large(1000, numbers, bins, sizes)
    with pytest.raises(InputError) as said:
        memory.refuse_too_large(10**6, numbers, bins, sizes)
    assert str(said.value).startswith(f"dataset.{key}: 1000000 rows with ")
    assert str(said.value).endswith(f"more than half of the 1.0 GB that this process may use; {remedy}")
