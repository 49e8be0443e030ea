"""Images that exceed the memory bound: they are streamed from a file, with the same results."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from fairrun.config.check import InputError
from fairrun.data.pixels import files
from fairrun.data.pixels.stored import Stored
from fairrun.runs.built import network_of
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import facts
from fairrun.runs.worker import _open, store
from fairrun.training.fit import fit
from tests.helpers.celeba import write_celeba
from tests.helpers.quick import few
from tests.helpers.synthetic import built, config, method

SMALL = ["dataset=celeba", "dataset.rows.size=8", "dataset.split.balanced=2", "model=cnn", "model.filters=4"]


@pytest.fixture(scope="module")
def celeba(tmp_path_factory):
    folder = tmp_path_factory.mktemp("celeba") / "celeba"
    write_celeba(folder)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of the cache; no image fits in memory."""
    monkeypatch.setattr(files, "memory_bound", lambda: 0)
    monkeypatch.setenv("FAIRRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def composed(folder, *overrides):
    return config(*SMALL, f"dataset.path={folder}", *overrides)


def load(folder, *overrides):
    return built(composed(folder, *overrides), "dataset").load()


def both(folder, cache, *overrides):
    """The data in memory, and streamed."""
    streamed = load(folder, *overrides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "memory_bound", lambda: 2**40)
        return load(folder, *overrides), streamed


def test_features_are_those_in_memory_and_so_is_the_hash(celeba, cache):
    whole, streamed = both(celeba, cache)
    assert streamed.sha256 == whole.sha256 and streamed.streams and not whole.streams
    assert facts(streamed) == facts(whole) | {"streamed": True}
    for ours, theirs in zip(streamed[:3], whole[:3], strict=True):
        assert isinstance(ours.x, Stored) and ours.x.shape == theirs.x.shape
        assert torch.equal(ours.x.read(), theirs.x)
    (file,) = cache.iterdir()
    assert file.stat().st_size == 128 + 160 * 3 * 64  # a byte a pixel


@pytest.mark.parametrize("name", few(["erm", "group_dro", "ltr", "jtt", "irw_global", "arl"], ["erm", "ltr", "jtt"]))
def test_training_gives_the_same_bits(name, celeba, cache):
    """Methods that see batches, validation rows, all rows, or the shape of all rows."""
    dtype = torch.float64 if name == "erm" else torch.float32
    changes = ["method.first_epochs=1"] if name == "jtt" else ["method.alpha=0.5"] if name == "irw_global" else []
    found = []
    for data in both(celeba, cache):
        network = network_of(OmegaConf.to_container(composed(celeba), resolve=True), facts(data))
        options = {"epochs": 2, "batch_size": 33, "dtype": dtype}
        found.append(fit(network, [method(name, *changes)] * 2, [0, 1], data, **options))
    for ours, theirs in zip(*found, strict=True):
        assert ours.failure is None
        pd.testing.assert_frame_equal(ours.history, theirs.history, check_exact=True)
        assert all(torch.equal(p, theirs.theta[key]) for key, p in ours.theta.items())


def test_workers_map_the_same_file(celeba, cache, tmp_path):
    data = load(celeba)
    store(data, torch.float32, tmp_path / "data.pt")
    assert (tmp_path / "data.pt").stat().st_size < 30_000  # labels, groups and places
    opened = _open(tmp_path / "data.pt")
    for split in ("train", "val", "test"):
        ours, theirs = getattr(opened, split), getattr(data, split)
        assert ours.x.file == theirs.x.file and torch.equal(ours.x.read(), theirs.x.read())


def test_images_are_decoded_once_and_again_where_one_changes(celeba, cache, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(celeba, folder)
    first = load(folder).sha256
    with monkeypatch.context() as patch:
        patch.setattr(files, "_decoded", None)
        assert load(folder).sha256 == load(folder, "dataset.label=Smiling").sha256 == first
    Image.new("RGB", (16, 16)).save(folder / "img_align_celeba" / "000001.jpg")
    assert load(folder).sha256 != first
    assert len(list(cache.iterdir())) == 2


def test_images_of_more_than_8_bits_stream_too(cache, tmp_path):
    """By blocks of one image; their range is that of training images, as in memory."""
    names = [f"{k:02}.tif" for k in range(60)]
    for k, name in enumerate(names):
        Image.fromarray(np.full((5, 4), 0.3 * k, np.float32)).save(tmp_path / name)
    bright = np.resize(["yes", "no", "no"], 60)
    frame = pd.DataFrame({"file": names, "bright": bright, "tint": np.resize(["red", "blue"], 60)})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    options = ["dataset=image_folder", "dataset.label=bright", "dataset.positive=yes", "dataset.sensitive=[tint]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK", 1)
        whole, streamed = both(tmp_path, cache, *options)
    assert torch.equal(streamed.test.x.read(), whole.test.x) and streamed.sha256 == whole.sha256


def refused(folder, message, *overrides):
    with pytest.raises(InputError, match=message) as found:
        load(folder, *overrides)
    assert "\n" not in str(found.value)


def test_a_cache_without_room_is_refused_before_images_are_decoded(celeba, cache, monkeypatch):
    monkeypatch.setattr(files, "_decoded", None)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 7))
    refused(celeba, r"the cache folder .*cache must take 0\.0 GB of images, .* \(0\.0 GB are free\); set FAIRRUN_CACHE")


def test_a_cache_that_cannot_be_written_is_refused(celeba, cache):
    cache.write_text("a file")
    refused(celeba, r"the cache folder .*cache must take .* \(.*exists.*\); set FAIRRUN_CACHE to a folder that can")


def test_a_disk_that_fills_up_leaves_no_part_of_a_file(celeba, cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    refused(celeba, r"the cache folder .* \(.*No space left on device\); set FAIRRUN_CACHE")
    assert not list(cache.iterdir())


def test_a_damaged_file_is_refused(celeba, cache):
    load(celeba)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:5000])
    refused(celeba, r".*\.npy must be the images that exceed the memory bound, .*; delete it")


def test_an_image_that_is_not_there_is_refused(celeba, cache, tmp_path):
    shutil.copytree(celeba, tmp_path / "copy")
    (tmp_path / "copy" / "img_align_celeba" / "000009.jpg").unlink()
    refused(tmp_path / "copy", "dataset.path must hold every image as a file that Pillow reads, got .*000009.jpg")


def test_labels_may_be_flipped_and_pixels_may_not_leave_the_file(celeba, cache):
    flipped = load(celeba, "dataset.outliers.kind=label_flips")
    assert flipped.outliers.sum() == 8 and flipped.streams
    refused(
        celeba,
        "outliers.kind must be null or label_flips for images that are streamed",
        "dataset.outliers.kind=features",
    )


def test_a_method_that_reads_all_features_at_once_is_refused(celeba, cache):
    cfg = OmegaConf.to_container(composed(celeba, "method=estimator"), resolve=True)
    with pytest.raises(InputError, match="method must be one that trains in steps, on images that exceed the memory"):
        check_data(cfg, json.loads(json.dumps(facts(load(celeba)))))
