"""Images as data: coloured digits, a folder of images, CelebA's layout."""

import dataclasses
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fairrun.config.check import InputError
from fairrun.data.corrupt import Outliers
from fairrun.data.images import ImageDataset
from fairrun.data.pixels.files import read_images
from fairrun.data.split import Split
from fairrun.datasets.celeba import CelebA
from fairrun.datasets.digits import ColouredDigits
from fairrun.datasets.image_folder import ImageFolder

SPLIT = Split(test=0.3, balance_test=False, val=0.2, balanced=4, seed=0)
NO_OUTLIERS = Outliers(kind=None, rate=0.1, scale=4.0, seed=0)
OFFICIAL = dataclasses.replace(SPLIT, test="official")
FOLDER = ImageFolder(csv="labels.csv", file="file", channels=3, size=4)
DIGITS = ColouredDigits([5, 6, 7, 8, 9], ["red", "green"], 0.9, 0.5, 0.3, 0)


def dataset(rows, path, **changes):
    options = {"rows": rows, "label": "bright", "positive": "yes", "sensitive": ["tint"], "split": SPLIT}
    options |= {"outliers": NO_OUTLIERS, "name": None, "tasks": {}, "task": None}
    return ImageDataset(**{**options, "path": str(path) if path else None, **changes})


def photos(folder, names, size=(6, 5)):
    """One-coloured images: image k has red k, green 2k, and blue 0 or 200."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        Image.new("RGB", size, (k, 2 * k, 200 * (k % 2))).save(folder / name)


@pytest.fixture
def labelled(tmp_path):
    """80 images, PNG and JPEG, with labels.csv."""
    names = [f"{k:03}.{'png' if k % 4 else 'jpg'}" for k in range(80)]
    photos(tmp_path / "all", names)
    bright = ["yes" if k % 3 else "no" for k in range(80)]
    frame = pd.DataFrame({"file": [f"all/{n}" for n in names], "bright": bright, "tint": ["red", "blue"] * 40})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    return frame


def write(folder, frame):
    frame.to_csv(folder / "labels.csv", index=False)


# Coloured digits


def test_coloured_digits_are_1797_images_of_balanced_classes():
    frame = DIGITS.frame(None)
    assert len(frame) == 1797
    assert frame["digit"].value_counts().sort_index().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (frame["label"] == (frame["digit"] >= 5)).all()
    assert (frame["split"] == "test").sum() == round(0.3 * 1797)


def test_the_colour_tells_the_label_in_training_and_not_in_the_test():
    frame = DIGITS.frame(None)
    agrees = (frame["colour"] == "green") == (frame["label"] == 1)
    rate = agrees.groupby(frame["split"]).mean()
    assert rate["train"] == pytest.approx(0.9, abs=0.02)
    assert rate["test"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("correlation", "always"), [(1.0, True), (0.0, False)])
def test_a_correlation_of_one_is_always_and_of_zero_never(correlation, always):
    frame = dataclasses.replace(DIGITS, correlation=correlation, test_correlation=correlation).frame(None)
    assert (((frame["colour"] == "green") == (frame["label"] == 1)) == always).all()


def test_a_third_colour_tells_nothing():
    frame = dataclasses.replace(DIGITS, colours=["red", "green", "blue"], correlation=0.6).frame(None)
    train = frame[frame["split"] == "train"]
    share = (train["colour"] == "blue").groupby(train["label"]).mean()
    assert share.tolist() == pytest.approx([0.2, 0.2], abs=0.05)
    assert (train["colour"] == "green")[train["label"] == 1].mean() == pytest.approx(0.6, abs=0.05)


def test_colours_have_a_seed_of_their_own():
    first, again, other = (dataclasses.replace(DIGITS, seed=seed).frame(None) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first["colour"].equals(other["colour"])


def test_a_digit_is_in_the_channel_of_its_colour():
    frame = DIGITS.frame(None)
    pixels = DIGITS.pixels(frame, None)
    assert pixels.shape == (1797, 3, 8, 8) and pixels.max() == 255
    lit = pixels.any(axis=(2, 3))
    assert (lit.sum(1) == 1).all()
    assert np.array(["red", "green", "blue"])[lit.argmax(1)].tolist() == frame["colour"].tolist()


def test_the_ten_digits_are_classes():
    data = dataset(DIGITS, None, label="digit", positive=None, sensitive=["colour"], split=OFFICIAL).load()
    assert data.classes == list("0123456789") and data.groups == ["colour=green", "colour=red"]
    assert data.train.y.unique().tolist() == list(range(10)) and len(data.features) == 192
    large = data.train.y >= 5
    assert ((data.train.s == 0) == large).double().mean() == pytest.approx(0.9, abs=0.02)
    have, taken = (torch.bincount((10 * rows.s + rows.y).long()) for rows in (data.train, data.held_out()[1]))
    assert taken.tolist() == ((have + 1) // 2).clamp(max=4).tolist() and len(have) == 20


def test_digits_are_data_like_any_other():
    data = dataset(DIGITS, None, label="label", positive=1, sensitive=["colour"], split=OFFICIAL).load()
    assert data.groups == ["colour=green", "colour=red"]
    assert len(data.features) == 192 and data.features[64 + 9] == "pixel 1,1,1"
    for table in data[:3]:
        assert table.x.dtype == torch.float32 and table.x.shape == (len(table.y), 192)
        assert table.x.min() == 0 and table.x.max() == 1
        red = table.x[:, :64].any(1)
        assert torch.equal(red, table.s == 1)
    assert sum(len(table.y) for table in data[:3]) == 1797
    assert torch.bincount(2 * data.held_out()[1].s + data.held_out()[1].y.long()).tolist() == [4] * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digits": []}, r"digits must be some, not all, of 0 to 9, got \[\]"),
        ({"digits": [10]}, "digits must be some, not all, of 0 to 9"),
        ({"colours": ["red"]}, "colours must be two or three of red, green, blue, got"),
        ({"colours": ["red", "red"]}, "colours must be two or three of red, green, blue, got"),
        ({"colours": ["red", "pink"]}, "colours must be two or three of red, green, blue, got"),
        ({"correlation": 1.1}, "correlation must be between 0 and 1, got 1.1"),
        ({"test_correlation": -0.1}, "test_correlation must be between 0 and 1, got -0.1"),
        ({"test": 0}, "test must be a fraction between 0 and 1, got 0"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
    ],
)
def test_bad_colourings_are_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(DIGITS, **changes)


def test_digits_have_no_path():
    with pytest.raises(InputError, match=r"dataset.path must be null: the digits come with scikit-learn, got 'x'"):
        DIGITS.frame("x")


def test_labels_of_images_may_be_flipped_in_training_and_their_pixels_are_as_before():
    options = {"label": "label", "positive": 1, "sensitive": ["colour"], "split": OFFICIAL}
    flips = dataclasses.replace(NO_OUTLIERS, kind="label_flips")
    before, after = (dataset(DIGITS, None, outliers=outliers, **options).load() for outliers in (NO_OUTLIERS, flips))
    assert after.outliers.sum() == round(0.1 * len(before.train.y))
    assert torch.equal(before.train.y != after.train.y, after.outliers) and torch.equal(before.test.y, after.test.y)
    assert torch.equal(before.train.x, after.train.x)


# A folder of images


def test_a_folder_of_images_gives_pixels_of_each_channel_in_turn(tmp_path, labelled):
    data = dataset(FOLDER, tmp_path).load()
    assert data.groups == ["tint=blue", "tint=red"]
    assert sum(len(table.y) for table in data[:3]) == 80
    seen = []
    for table in data[:3]:
        assert table.x.shape == (len(table.y), 3 * 4 * 4)
        for x, y, s in zip(*table, strict=True):
            red, green, blue = (255 * x.view(3, 16)).mean(1).round().tolist()
            k = round(green / 2)
            assert abs(red - k) <= 2 and abs(blue - 200 * (k % 2)) <= 2  # JPEG is not exact
            if k % 4:
                assert (red, green, y, s) == (k, 2 * k, float(k % 3 > 0), 1 - k % 2)
                seen.append(k)
    assert sorted(seen) == [k for k in range(80) if k % 4]


def test_an_image_is_cut_to_its_middle_square(tmp_path):
    image = Image.new("RGB", (9, 3), "blue")
    image.paste((255, 0, 0), (3, 0, 6, 3))
    image.save(tmp_path / "wide.png")
    (pixels,) = read_images([tmp_path / "wide.png"], 3, 3)
    assert (pixels[0] == 255).all() and not pixels[1:].any()


def test_one_channel_is_grey(tmp_path, labelled):
    grey = dataclasses.replace(FOLDER, channels=1)
    data = dataset(grey, tmp_path).load()
    assert len(data.features) == 16
    pixels = grey.pixels(labelled.iloc[[2]], str(tmp_path))
    assert pixels.tolist() == [[[[round(0.299 * 2 + 0.587 * 4)] * 4] * 4]]


@pytest.mark.parametrize("names", [["train", "test"], ["train", "val", "test"]])
def test_the_official_split_may_have_validation_rows(names, tmp_path, labelled):
    write(tmp_path, labelled.assign(split=[names[k // 4 % len(names)] for k in range(80)]))
    data = dataset(FOLDER, tmp_path, split=OFFICIAL).load()
    sizes = [len(table.y) for table in data[:3]]
    assert sizes == ([28, 28, 24] if "val" in names else [32, 8, 40])


def test_the_hash_changes_with_one_pixel(tmp_path, labelled):
    before = dataset(FOLDER, tmp_path).load().sha256
    assert before == dataset(FOLDER, tmp_path).load().sha256
    Image.new("RGB", (6, 5), (7, 7, 8)).save(tmp_path / "all" / "005.png")
    assert before != dataset(FOLDER, tmp_path).load().sha256


def test_file_names_may_look_like_numbers(tmp_path):
    photos(tmp_path, ["01.png", "02.png"])
    (tmp_path / "01.png").rename(tmp_path / "01")
    pd.DataFrame({"file": ["01"], "bright": ["yes"]}).to_csv(tmp_path / "labels.csv", index=False)
    assert FOLDER.frame(str(tmp_path))["file"].tolist() == ["01"]
    assert FOLDER.pixels(FOLDER.frame(str(tmp_path)), str(tmp_path)).shape == (1, 3, 4, 4)


def refused(rows, path, message, **changes):
    with pytest.raises(InputError, match=message):
        dataset(rows, path, **changes).load()


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    refused(FOLDER, tmp_path / "no", "dataset.path must be a folder that exists, got '.*no'")
    refused(FOLDER, None, "dataset.path must be a folder that exists, got None")


def test_a_table_that_is_not_there_is_refused(tmp_path):
    refused(FOLDER, tmp_path, r"dataset.rows.csv must be a CSV file in dataset.path=.*, got 'labels.csv'")


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("")
    refused(FOLDER, tmp_path, "dataset.rows.csv='labels.csv' cannot be read as a table: No columns")


def test_columns_that_are_not_there_are_refused(tmp_path, labelled):
    columns = "file, bright, tint"
    wrong = dataclasses.replace(FOLDER, file="name")
    refused(wrong, tmp_path, rf"dataset.rows.file must be a column of labels.csv \({columns}\), got 'name'")
    refused(FOLDER, tmp_path, rf"dataset.label must hold columns of the data \({columns}\), got 'dark'", label="dark")
    refused(FOLDER, tmp_path, r"dataset.sensitive must hold columns .*, got 'hue'", sensitive=["hue"])


@pytest.mark.parametrize("column", ["file", "bright", "tint"])
def test_missing_values_are_refused(column, tmp_path, labelled):
    labelled.loc[3, column] = None
    write(tmp_path, labelled)
    refused(FOLDER, tmp_path, rf"column '{column}' must have no missing .* got 1 \(first in row 3\)")


def test_an_image_that_is_not_there_is_refused(tmp_path, labelled):
    (tmp_path / "all" / "007.png").unlink()
    refused(
        FOLDER, tmp_path, "dataset.path must hold every image as a file that Pillow reads, got .*007.png: .*No such"
    )


@pytest.mark.parametrize("content", [b"not an image", b"\x89PNG\r\n\x1a\n", b""])
def test_an_image_that_cannot_be_read_is_refused(content, tmp_path, labelled):
    (tmp_path / "all" / "007.png").write_bytes(content)
    refused(FOLDER, tmp_path, "dataset.path must hold every image as a file that Pillow reads, got .*007.png: cannot")


def test_half_an_image_is_refused(tmp_path, labelled):
    rng = np.random.default_rng(0)
    file = tmp_path / "all" / "007.png"
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:2000])
    refused(FOLDER, tmp_path, "dataset.path must hold every image as a file that Pillow reads, got .*007.png: ")


@pytest.mark.parametrize("rows", [FOLDER, CelebA(3, 4)])
def test_bad_shapes_are_refused(rows):
    with pytest.raises(InputError, match="channels must be one of 1, 3, got 4"):
        dataclasses.replace(rows, channels=4)
    with pytest.raises(InputError, match="size must be >= 1, got 0"):
        dataclasses.replace(rows, size=0)


def test_no_sensitive_column_is_refused():
    with pytest.raises(InputError, match=r"sensitive must be a list of columns: \[column\], got \[\]"):
        dataset(FOLDER, None, sensitive=[])


# CelebA


ATTRIBUTES = ["5_o_Clock_Shadow", "Blond_Hair", "Male"]


def lay_out(folder, kind, num_rows=60, nested=False):
    """Attributes, partition and images, as the official release (txt) or Kaggle (csv) has them."""
    names = [f"{k + 1:06}.jpg" for k in range(num_rows)]
    photos(folder / "img_align_celeba" / ("img_align_celeba" if nested else "."), names, size=(18, 22))
    values = np.where(np.arange(num_rows)[:, None] % [2, 3, 5] == 0, 1, -1)
    partition = [0] * (num_rows - 30) + [1] * 15 + [2] * 15
    if kind == "txt":
        lines = [str(num_rows), " ".join(ATTRIBUTES) + " "]
        lines += [f"{name}  {a:2}  {b:2} {c:2}" for name, (a, b, c) in zip(names, values, strict=True)]
        (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
        rows = [f"{name} {k}" for name, k in zip(names, partition, strict=True)]
        (folder / "list_eval_partition.txt").write_text("\n".join(rows) + "\n")
    else:
        frame = pd.DataFrame({"image_id": names})
        frame.assign(**dict(zip(ATTRIBUTES, values.T, strict=True))).to_csv(
            folder / "list_attr_celeba.csv", index=False
        )
        frame.assign(partition=partition).to_csv(folder / "list_eval_partition.csv", index=False)
    return values


def celeba(path, **changes):
    options = {"label": "Blond_Hair", "positive": 1, "sensitive": ["Male"], "split": OFFICIAL, **changes}
    return dataset(CelebA(channels=3, size=4), path, **options)


@pytest.mark.parametrize(("kind", "nested"), [("txt", False), ("csv", True)])
def test_celeba_is_read_in_both_layouts_with_its_official_split(kind, nested, tmp_path):
    values = lay_out(tmp_path, kind, nested=nested)
    data = celeba(tmp_path).load()
    assert [len(table.y) for table in data[:3]] == [30, 15, 15]
    assert data.groups == ["Male=-1", "Male=1"]
    assert torch.cat([table.y for table in data[:3]]).tolist() == (values[:, 1] == 1).tolist()
    assert torch.cat([table.s for table in data[:3]]).tolist() == (values[:, 2] == 1).tolist()
    green = 255 * torch.cat([table.x for table in data[:3]])[:, 16:32].mean(1)
    torch.testing.assert_close(green, 2.0 * torch.arange(60), atol=3, rtol=0)


def test_both_layouts_are_the_same_rows(tmp_path):
    for kind in ("txt", "csv"):
        (tmp_path / kind).mkdir()
        lay_out(tmp_path / kind, kind)
    first, second = (celeba(tmp_path / kind).load() for kind in ("txt", "csv"))
    assert first.sha256 == second.sha256


TASKS = {"blond": {"column": "Blond_Hair", "positive": 1}, "shadow": {"column": "5_o_Clock_Shadow", "positive": 1}}


def test_several_attributes_are_tasks_and_one_of_them_may_be_chosen(tmp_path):
    values = lay_out(tmp_path, "txt")
    several, one = celeba(tmp_path, tasks=TASKS).load(), celeba(tmp_path, tasks=TASKS, task="shadow").load()
    assert several.tasks == ["blond", "shadow"] and one.tasks == []
    y = torch.cat([table.y for table in several[:3]])
    assert y.tolist() == (values[:, [1, 0]] == 1).tolist()
    assert torch.equal(torch.cat([table.y for table in one[:3]]), y[:, 1])
    assert torch.equal(one.train.x, several.train.x) and one.sha256 == several.sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tasks": {"a": {"column": "Blonde", "positive": 1}}},
            r"dataset\.tasks\.a\.column must hold columns .* 'Blonde'",
        ),
        (
            {"tasks": {"a": {"column": "Male", "positive": 1}}},
            r"sensitive must hold no label, got 'Male' \(dataset.tasks.a",
        ),
        ({"tasks": {"a": {"column": "Blond_Hair"}}}, "tasks.a must be {column: C, positive: V} or"),
        ({"task": "a"}, "task must be null without dataset.tasks, got 'a'"),
        ({"tasks": TASKS, "task": "a"}, "task must be null or one of blond, shadow, got 'a'"),
        ({"tasks": TASKS, "positive": None}, "positive must be a value with dataset.tasks, .* got None"),
    ],
)
def test_tasks_that_cannot_be_are_refused(changes, message, tmp_path):
    lay_out(tmp_path, "txt")
    refused_by(tmp_path, message, **changes)


def test_celeba_without_a_file_is_refused(tmp_path):
    lay_out(tmp_path, "txt")
    (tmp_path / "list_eval_partition.txt").unlink()
    expected = r"a folder with img_align_celeba/, list_attr_celeba and list_eval_partition \(each .txt or .csv\)"
    refused_by(tmp_path, f"dataset.path must be {expected}, got '.*' without list_eval_partition")


def refused_by(path, message, **changes):
    with pytest.raises(InputError, match=message):
        celeba(path, **changes).load()


def test_celeba_without_an_image_is_refused(tmp_path):
    lay_out(tmp_path, "txt")
    (tmp_path / "img_align_celeba" / "000009.jpg").unlink()
    refused_by(tmp_path, "dataset.path must hold every image .*000009.jpg")


def test_an_unknown_attribute_is_refused(tmp_path):
    lay_out(tmp_path, "txt")
    refused_by(tmp_path, r"dataset.label must hold columns .*Blond_Hair, Male.*, got 'Blonde'", label="Blonde")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("eval_partition", "000007.jpg 0", "000007.jpg 3", "must hold 0 .* 1 .* alone; first wrong image: 000007.jpg"),
        ("eval_partition", "000007.jpg 0", "000007.jpg", "must hold 0 .* alone; first wrong image: 000007.jpg"),
        ("eval_partition", "000007.jpg 0", "000008.jpg 0", "must hold every image once; first wrong image: 000008.jpg"),
        (
            "eval_partition",
            "000007.jpg 0\n",
            "",
            "must hold images that list_eval_partition holds too; first wrong image: 000007",
        ),
        ("eval_partition", "000007.jpg 0", "000007.jpg 0\nx.jpg 0", "images that list_attr_celeba holds too; .* x.jpg"),
        ("attr_celeba", "000002.jpg  -1", "000002.jpg  7", "must hold 1 and -1 alone; first wrong image: 000002.jpg"),
    ],
)
def test_wrong_tables_are_refused(file, old, new, message, tmp_path):
    lay_out(tmp_path, "txt")
    path = tmp_path / f"list_{file}.txt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    refused_by(tmp_path, message)


def test_a_partition_without_numbers_is_refused(tmp_path):
    lay_out(tmp_path, "txt")
    (tmp_path / "list_eval_partition.txt").write_text("000001.jpg\n000002.jpg\n")
    refused_by(tmp_path, "dataset.path=.*: list_eval_partition.txt must have a column beside the file names, got none")
    (tmp_path / "list_eval_partition.txt").write_text("")
    refused_by(tmp_path, "dataset.path=.*: list_eval_partition.txt cannot be read as a table: No columns")


# More than 8 bits


def deep(folder, kind, values):
    """Grey images of one value each, 16 bits (PNG, TIFF), 32-bit integers or floats (TIFF), with labels.csv."""
    names = []
    for k, value in enumerate(values):
        image = Image.fromarray(np.full((5, 4), value, {"I;16": np.uint16, "I": np.int32, "F": np.float32}[kind]))
        names.append(f"{k:03}.{'png' if kind == 'I;16' and k % 2 else 'tif'}")
        image.save(folder / names[-1])
    bright = ["yes" if value > np.median(values) else "no" for value in values]
    write(
        folder, pd.DataFrame({"file": names, "bright": bright, "tint": np.resize(["red", "blue", "blue"], len(names))})
    )


@pytest.mark.parametrize(
    ("kind", "low", "step"),
    [("I;16", 0, 1), ("I;16", 20_000, 300), ("I", -(2**20), 5000), ("I", 2**24, 2), ("F", -0.25, 0.001), ("F", 0, 1e6)],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_more_than_8_bits_keep_their_values_scaled_by_those_of_training_images(
    kind, low, step, channels, tmp_path
):
    deep(tmp_path, kind, low + step * np.arange(80))
    data = dataset(ImageFolder("labels.csv", "file", channels, 4), tmp_path).load()
    train = data.train.x
    assert (train.min(), train.max(), train.shape[1]) == (0, 1, channels * 16)
    values = torch.cat([data.train.x, data.val.x, data.test.x])[:, 0].sort().values
    assert (values.diff() - values.diff().mean()).abs().max() < 1e-5 and values.unique().numel() == 80
    order = data.test.x[:, 0].argsort()
    assert data.test.y[order].diff().ge(0).all()


def test_one_kind_of_depth_a_folder(tmp_path):
    deep(tmp_path, "F", np.arange(80.0))
    Image.new("L", (5, 4)).save(tmp_path / "007.png")
    frame = pd.read_csv(tmp_path / "labels.csv")
    frame.loc[7, "file"] = "007.png"
    write(tmp_path, frame)
    with pytest.raises(InputError, match=r"images that are alike, got .*007\.png with mode L, but .* more than 8 bits"):
        dataset(FOLDER, tmp_path).load()


@pytest.mark.parametrize(("value", "message"), [(np.nan, "finite values, got .*000"), (7, "with more than one value")])
def test_values_that_are_not_finite_or_all_alike_are_refused(value, message, tmp_path):
    deep(tmp_path, "F", np.full(80, value))
    frame = pd.read_csv(tmp_path / "labels.csv").assign(bright=np.resize(["yes", "no"], 80))
    write(tmp_path, frame)
    with pytest.raises(InputError, match=message):
        dataset(FOLDER, tmp_path).load()


def png_of_16_bits(path, values):
    """A colour PNG of 16 bits a channel, which Pillow does not write; ``values`` uint16 [H, W, 3]."""
    height, width, _ = values.shape
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in values)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_colours_of_16_bits_are_refused(labelled, tmp_path):
    png_of_16_bits(tmp_path / "all" / "001.png", np.full((5, 4, 3), 200, np.uint16))
    with pytest.raises(InputError, match=r"colours of 8 bits, got .*001\.png with 16 bits a channel"):
        dataset(FOLDER, tmp_path).load()
