"""Models that runs save: the same numbers from new rows, and what cannot be used."""

import hashlib
import importlib.util
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

import fairrun
from fairrun.api.model import _named
from fairrun.config.check import InputError
from fairrun.results import records as results
from fairrun.runs import model as files
from fairrun.runs.job import load
from tests.helpers.jobs import jobs_of, train
from tests.helpers.modules import Partly
from tests.helpers.quick import few

pytestmark = pytest.mark.filterwarnings("ignore:groups of fewer than")  # of tables that are small

SAVE = "results.save=chosen"


def trained(folder, *commands):
    """The folders of runs that are trained side by side."""
    jobs = jobs_of(folder, *commands)
    outcomes = train(folder, jobs)
    assert [outcome.failure for outcome in outcomes.values()] == [None] * len(jobs)
    return [job.folder for job in jobs]


def rows_of(model, split):
    """The rows of a split as the user's file has them, and the row numbers."""
    numbers = load(model.record["config"]).numbers[split].numpy()
    return pd.read_csv(model.record["config"]["dataset"]["path"]).iloc[numbers], numbers


TASKS = "+dataset.tasks={hired: {column: hired, positive: 'yes'}, a: {column: kind, positive: a}}"
FOREST = ["estimator@method.estimator=random_forest", "method.estimator.n_estimators=5"]
KINDS = {
    "last": ["method=penalty", "selection=last"],
    "best epoch": ["method=penalty", "selection=best", "epochs=6", "method.optimizer.lr=0.05"],
    "thresholds": ["method=erm", "postprocess=equalized_odds"],
    "thresholds of a bound": ["method=erm", "postprocess=oxonfair", "fairness_bound=0.1"],
    "several tasks": ["method=mtaf", "model=shared_bottom", TASKS, "dataset.keep_columns=[x5]"],
    "several classes": [
        "method=erm",
        "metric=accuracy_difference",
        "dataset.keep_columns=[x5]",
        "dataset.label=group",
        "dataset.positive=null",
        "dataset.sensitive=[kind]",
    ],
    "second derivatives": ["method=stackelberg", "engine=auto"],
    "float64": ["method=erm", "dtype=float64", "model=linear"],
    "forest": ["method=estimator", *FOREST],
    "forest with thresholds": ["method=estimator", *FOREST, "postprocess=demographic_parity"],
    "library's network": ["method=estimator", "estimator@method.estimator=mlp", "dtype=float64"],
    "classifier by its path": [
        "method=estimator",
        "estimator@method.estimator=classifier",
        "method.estimator.classifier=sklearn.ensemble.HistGradientBoostingClassifier",
        "+method.estimator.params.max_features=0.5",
    ],
    "random decisions": ["method=exponentiated_gradient", *FOREST, "method.max_iter=5"],
    "random decisions with thresholds": [
        "method=exponentiated_gradient",
        *FOREST,
        "method.max_iter=5",
        "postprocess=equalized_odds",
    ],
    "LightGBM": [
        "method=grid_search",
        "method.grid_size=3",
        "estimator@method.estimator=lightgbm",
        "method.estimator.n_estimators=5",
        "method.estimator.subsample=0.5",
    ],
    "bins": ["method=erm", "dataset.numbers=bins"],
    "members": ["method=penalty", "model.members=3", "postprocess=demographic_parity"],
    "thresholds of the best epoch": [
        "method=erm",
        "selection=best",
        "epochs=8",
        "method.optimizer.lr=0.1",
        "patience=3",
        "averaging.kind=ema",
        "averaging.decay=0.9",
        "postprocess=demographic_parity",
    ],
    "residual network": ["method=irw", "model=resnet_tabular", "model.embedding_dim=2", "dataset.numbers=bins"],
    "embeddings": ["method=erm", "model.embedding_dim=2", "model.members=2", "optimizer@method.optimizer=adamw"],
    "pieces of numbers": ["method=erm", "dataset.numbers=piecewise", "dataset.bins=8"],
}


@pytest.mark.parametrize("kind", few(KINDS, 6))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_metrics_of_test_rows_are_those_of_the_record_to_the_last_digit(kind, tmp_path, described):
    needed = {"LightGBM": "lightgbm", "thresholds of a bound": "oxonfair"}
    if kind in needed:
        pytest.importorskip(needed[kind])
    alone, other = trained(tmp_path, [*described, *KINDS[kind], SAVE], [*described, *KINDS[kind], SAVE, "seed=1"])
    model = fairrun.load(alone)
    for split in ("val", "test"):
        rows, numbers = rows_of(model, split)
        shuffled = rows.sample(frac=1, random_state=0)[sorted(rows)[::-1]]
        found = model.metrics(rows)
        recorded = {k.partition("/")[2]: v for k, v in model.record["metrics"].items() if k.startswith(split)}
        for name, value in recorded.items():
            own = found[_named(name, model.about["groups"])]
            assert own == value or (np.isnan(own) and value is None), name
        scores = pd.read_parquet(alone / "model" / files.SCORES).query("split == @split")
        assert list(scores["row"]) == list(numbers)
        proba = pd.DataFrame(model.predict_proba(shuffled), index=shuffled.index).loc[rows.index].to_numpy()
        columns = scores.filter(regex="^score").to_numpy()
        assert np.array_equal(columns[:, -1], proba[:, -1].astype(np.float32))
    assert not np.array_equal(fairrun.load(other).predict_proba(rows), model.predict_proba(rows))


def test_the_chosen_epoch_is_kept_while_later_ones_train(tmp_path, described):
    """Trained again with as many epochs as the chosen one, the last parameters are those that were chosen."""
    long = [*described, "method=erm", "method.optimizer.lr=0.1", "epochs=8", "selection=best", SAVE]
    (folder,) = trained(tmp_path / "long", long)
    epoch = results.read(folder)["epoch"]
    assert epoch < 8  # or the test shows nothing
    (short,) = trained(tmp_path / "short", [*long, f"epochs={epoch}"])
    chosen, last = (model.predictor.theta for model in (fairrun.load(folder), fairrun.load(short, epoch="last")))
    assert all(torch.equal(p, last[name]) for name, p in chosen.items())
    assert not all(torch.equal(p, fairrun.load(folder, "last").predictor.theta[name]) for name, p in chosen.items())
    with pytest.raises(InputError, match="epoch must be chosen for a card"):
        fairrun.load(folder, "last").card()


def test_thresholds_of_the_epoch_that_counts_are_not_put_on_the_weights_of_another(tmp_path, described):
    long = [*described, "method=erm", "epochs=4", "postprocess=frontier", SAVE]
    last, best = trained(tmp_path, long, [*long, "selection=best"])
    assert fairrun.load(last, "last", bound=0.05).bound == 0.05
    with pytest.raises(InputError, match="epoch must be chosen: thresholds are those of the epoch that counts, got"):
        fairrun.load(best, "last", bound=0.05)


def test_new_rows_may_have_unknown_categories_and_missing_cells_but_every_column(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE])
    model = fairrun.load(folder)
    rows = rows_of(model, "test")[0].head(4)
    assert set(model.predict(rows)) <= {"no", "yes"} and list(model.classes_) == ["no", "yes"]
    odd = rows.assign(kind=["a", "z", None, "b"], x0=[1.0, None, 2.0, 3.0]).drop(columns=["group", "hired"])
    assert np.isfinite(model.predict_proba(odd)).all()
    text = rows.astype(str)
    assert np.array_equal(model.predict_proba(text), model.predict_proba(rows))
    with pytest.raises(InputError, match=r"must have the columns of the training rows, got none named 'x3'"):
        model.predict(rows.drop(columns="x3"))
    with pytest.raises(InputError, match=r"rows must be a pandas.DataFrame, or an array of features, got 'list'"):
        model.predict([1, 2])


def test_a_value_too_large_for_a_network_decides_nothing(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE])
    model = fairrun.load(folder)
    rows = rows_of(model, "test")[0].head(4)
    odd = rows.assign(x0=[0, 1e90, 0, 0])
    for use in (model.predict, model.predict_proba, model.metrics, model.encode):
        with pytest.raises(
            InputError, match=r"^column 'x0' must have values below 1e\+18 as scaled by training rows, got"
        ):
            use(odd)
    for value in (np.nan, 1e20):
        x = model.encode(rows)
        x[1, 2] = value
        with pytest.raises(InputError, match=r"^column 'x2' must have values below"):
            model.predict(x)


def test_metrics_may_be_of_other_groups_and_by_a_column(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    other = model.metrics(rows, sensitive="kind")
    assert {"accuracy/kind=a", "accuracy/kind=b"} <= set(other.index)
    assert other["accuracy"] == model.metrics(rows)["accuracy"]
    by = model.metrics(rows, sensitive="kind", by="group")
    assert list(by.index) == ["north", "south", "west"]
    shares = rows["group"].value_counts(normalize=True)
    assert (by["accuracy"] * shares).sum() == pytest.approx(other["accuracy"])
    with pytest.raises(InputError, match="by must be a column of the rows"):
        model.metrics(rows, by="town")
    total = sum(model.record["rows"].values())
    with pytest.warns(UserWarning, match=f"^{total} rows are as many as the model's data set has"):
        model.metrics(rows.sample(total, replace=True, random_state=0))
    with pytest.raises(InputError, match=r"^sensitive must hold columns with two values or more, got kind with one$"):
        model.metrics(rows.assign(kind="a"), sensitive="kind")


MERGED = ["+dataset.merge={group: {North: [north, n]}}", "dataset.sensitive=[group, {column: x4, bins: [0]}]"]


def test_metrics_of_a_column_of_the_groups_are_of_the_groups_of_training(tmp_path, described, csv):
    frame = csv.assign(group=csv["group"].mask((csv["group"] == "north") & (csv.index % 2 == 0), "n"))
    frame.to_csv(tmp_path / "table.csv", index=False)
    (folder,) = trained(tmp_path, [*described, SAVE, *MERGED])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    found = model.metrics(rows, sensitive="group")
    assert [name for name in found.index if name.startswith("accuracy/")] == [
        f"accuracy/group={name}" for name in ("North", "south", "west")
    ]
    bins = model.metrics(rows, sensitive=["x4"])
    assert {"accuracy/x4=under 0", "accuracy/x4=0 and over"} <= set(bins.index)
    both = model.metrics(rows, sensitive=["group", "x4"])
    pd.testing.assert_series_equal(both, model.metrics(rows))
    with pytest.warns(UserWarning, match="^groups of fewer than 30 rows, whose metrics are uncertain: 'group=North' "):
        model.metrics(rows.head(20), sensitive="group")


def test_rows_without_a_label_or_a_group_are_left_out_of_metrics_as_in_training(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    rows = rows.reset_index(drop=True)
    gaps = rows.assign(hired=rows["hired"].mask(rows.index < 2), group=rows["group"].mask(rows.index == 4, "NA"))
    expected = model.metrics(rows.drop(index=[0, 1, 4]))
    with pytest.warns(UserWarning, match=f"^3 of {len(rows)} rows without a label or a group are left out, as in tra"):
        pd.testing.assert_series_equal(model.metrics(gaps), expected)
    with pytest.warns(UserWarning, match="^3 of "):
        found = model.metrics(gaps, sensitive="group", by="kind")
    assert found["accuracy"].tolist() == model.metrics(rows.drop(index=[0, 1, 4]), by="kind")["accuracy"].tolist()
    with pytest.raises(InputError, match="rows must be a frame with a row that has a label and a group, got 'none'"):
        model.metrics(rows.assign(hired=None))


def test_rows_without_the_group_that_thresholds_need_are_left_out_of_metrics_of_others(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE, *KINDS["thresholds"]])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    rows = rows.reset_index(drop=True)
    gaps = rows.assign(group=rows["group"].mask(rows.index < 4))
    with pytest.warns(UserWarning, match=f"^4 of {len(rows)} rows without a label or a group are left out, as in tra"):
        found = model.metrics(gaps, sensitive="kind")
    pd.testing.assert_series_equal(found, model.metrics(rows.iloc[4:], sensitive="kind"))
    with pytest.raises(InputError, match=r"^column 'group' must have no missing or infinite value, got 4 "):
        model.predict(gaps)


def test_rows_without_a_feature_are_left_out_of_metrics_where_training_drops_them_and_not_predicted(
    tmp_path, described
):
    (folder,) = trained(tmp_path, [*described, SAVE, "dataset.missing=drop"])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    rows = rows.reset_index(drop=True)
    gaps = rows.assign(x0=rows["x0"].mask(rows.index < 3), kind=rows["kind"].mask(rows.index == 5))
    with pytest.warns(UserWarning, match=f"^4 of {len(rows)} rows without a label, a group or a feature are left out,"):
        found = model.metrics(gaps, by="group")
    pd.testing.assert_frame_equal(found, model.metrics(rows.drop(index=[0, 1, 2, 5]), by="group"))
    said = r"^column 'x0' must have no .* got 3 \(first in row 0\); fill them or leave their rows out: every row needs"
    with pytest.raises(InputError, match=said):
        model.predict(gaps)


def test_rows_that_lack_the_label_of_one_task_count_for_the_others(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE, *KINDS["several tasks"]])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    rows = rows.reset_index(drop=True)
    whole, gaps = model.metrics(rows), model.metrics(rows.assign(hired=rows["hired"].mask(rows.index < 5)))
    of_kind = [name for name in whole.index if "/a" in name]
    pd.testing.assert_series_equal(gaps[of_kind], whole[of_kind])
    assert gaps["accuracy/hired"] == pytest.approx(model.metrics(rows.iloc[5:])["accuracy/hired"])


def test_where_training_refuses_missing_labels_metrics_do_for_each_task(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE, *KINDS["several tasks"], "dataset.missing=refuse"])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    rows = rows.reset_index(drop=True)
    with pytest.raises(InputError, match="hired"):
        model.metrics(rows.assign(hired=rows["hired"].mask(rows.index < 5)))


def test_metrics_by_a_column_have_rows_without_it_and_parts_of_one_group(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    area = rows["group"].where(rows["group"] != "west")
    by = model.metrics(rows.assign(area=area), sensitive="group", by="area")
    assert list(by.index[:2]) == ["north", "south"] and len(by) == 3 and pd.isna(by.index[2])
    north, west = by.iloc[0], by.iloc[2]
    assert north["accuracy/group=north"] == north["accuracy"] and np.isnan(north["accuracy/group=south"])
    assert west["accuracy"] == model.metrics(rows)["accuracy/group=west"]
    with pytest.raises(InputError, match="rows must be an array of numbers: could not convert string to float"):
        model.predict(np.full((2, 8), "a"))


PARTLY = ["model=module", "model.module._target_=tests.helpers.modules.Partly", "dataset.keep_columns=[x5]"]


SHARED = ["method=mtaf", "model=shared_trunk", "model@model.trunk=module", "dataset.keep_columns=[x5]", TASKS]
SHARED += ["model.trunk.module._target_=tests.helpers.modules.Partly", "model.trunk.groups.classifier=out"]


class Twins(torch.nn.Module):
    """Two parameters whose names differ in a dot alone."""

    def __init__(self, num_features):
        super().__init__()
        self.a = torch.nn.Linear(num_features, 1)
        self.a_bias = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        """[B, D] -> [B, 1]."""
        return self.a(x) + self.a_bias


NETWORKS = {
    "mlp": ["method=erm"],
    "float64": ["method=erm", "dtype=float64"],
    "embeddings": ["method=erm", "model.embedding_dim=2"],
    "members": ["method=erm", "model.members=2"],
    "module": ["method=erm", *PARTLY],
    "names that differ in a dot alone": ["method=erm", "model=module", f"model.module._target_={__name__}.Twins"],
    "tasks": ["method=mtaf", "model=shared_bottom", TASKS],
    "trunk": ["method=mtl", "model=shared_trunk", "model@model.trunk=mlp", TASKS],
    "trunk of a module": SHARED,
    "classes": ["method=erm", "metric=accuracy_difference", *KINDS["several classes"][3:]],
}


@pytest.mark.parametrize("kind", few(NETWORKS, 4))
def test_a_module_of_torch_gives_the_logits_of_what_encode_gives(kind, tmp_path, described):
    (folder,) = trained(tmp_path, [*described, *NETWORKS[kind], "dataset.keep_columns=[x5]", "engine=torch", SAVE])
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    module, p = model.to_torch(), model.predict_proba(rows)
    x = model.encode(rows)
    logits = module(x).detach()
    assert torch.equal(logits, module(torch.from_numpy(x).float())) or kind == "float64"
    assert len([*module.parameters()]) == len(model.predictor.theta)
    found = logits.softmax(-1) if kind == "classes" else logits.sigmoid()
    expected = p if found.ndim == 2 else p[:, 1]
    assert np.allclose(found.double().numpy(), expected, atol=1e-6)


def test_the_code_of_a_network_of_ones_own_runs_where_its_package_is_named(tmp_path, described, monkeypatch):
    (folder,) = trained(tmp_path, [*described, "method=erm", *PARTLY, SAVE])
    monkeypatch.setenv("FAIRRUN_PLUGINS", "")
    said = (
        r"needs code of 'tests', which is not named: fairrun\.load\('.*', plugins=\['tests'\]\) runs it, if you trust"
    )
    with pytest.raises(InputError, match=said):
        fairrun.load(folder)
    with pytest.raises(InputError, match=r"plugins must be a list of packages, as \['mypkg'\], got 'tests'"):
        fairrun.load(folder, plugins="tests")
    assert fairrun.load(folder, plugins=["tests"]).predict_proba(pd.read_csv(tmp_path / "table.csv")).shape == (400, 2)


def partly(path, num_features=8):
    """The file of the weights of a module for the encoded features of the table."""
    torch.manual_seed(3)
    torch.save(Partly(num_features, 1).state_dict(), path)
    return path


def test_the_card_tells_what_is_decided_of_each_task_and_of_classes(tmp_path, described):
    bound = "+dataset.tasks={hired: {column: hired, positive: 'yes'}, tall: {column: x1, above: 0.5}}"
    tasks = [*SHARED[:-3], bound, *SHARED[-2:]]
    classes = ["method=erm", "metric=accuracy_difference", *KINDS["several classes"][2:]]
    folders = trained(tmp_path, [*described, *tasks, SAVE]) + trained(tmp_path / "c", [*described, *classes, SAVE])
    several, many = (fairrun.load(folder).card() for folder in folders)
    assert "- Predicts: hired: hired (1 is yes, 0 is no), tall: x1 (1 is above 0.5); network" in several
    assert "- Predicts: group (one of north, south, west); network" in many


@pytest.mark.parametrize(("net", "key", "size"), [(PARTLY, "model.weights", 8), (SHARED, "model.trunk.weights", 6)])
def test_what_a_module_does_not_train_is_saved_and_its_file_is_not_needed_again(net, key, size, tmp_path, described):
    start = partly(tmp_path / "start.pt", size)
    (folder,) = trained(tmp_path, [*described, *net, f"{key}={start}", SAVE])
    assert results.read(folder)["sources"]["model.weights"]
    (tmp_path / "start.pt").unlink()
    for model in (fairrun.load(folder), fairrun.load(folder, "last")):
        rows, _ = rows_of(model, "test")
        assert model.metrics(rows)["accuracy"] == model.record["metrics"]["test/accuracy"]
    saved = torch.load(folder / "model" / files.WEIGHTS, weights_only=True)["constants"]
    assert {*saved} == {"shift", "order", "fixed.weight", "fixed.bias"} and saved["order"].dtype == torch.int64


def test_a_folder_of_the_format_before_takes_them_from_the_file(tmp_path, described):
    start = partly(tmp_path / "start.pt")
    (folder,) = trained(tmp_path, [*described, *PARTLY, f"model.weights={start}", SAVE])
    record = json.loads((folder / results.RECORD).read_text())
    about = json.loads((folder / "model" / files.ABOUT).read_text())
    weights = torch.load(folder / "model" / files.WEIGHTS, weights_only=True)
    del weights["constants"]
    torch.save(weights, folder / "model" / files.WEIGHTS)
    for number in (1, 3):
        (folder / "model" / files.ABOUT).write_text(json.dumps(about | {"format": number}))
        contents = {name: (folder / "model" / name).read_bytes() for name in record["model"]}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        (folder / results.RECORD).write_text(json.dumps(record | {"model": hashes}))
        if number == 1:
            model = fairrun.load(folder)
            assert model.metrics(rows_of(model, "test")[0])["accuracy"] == record["metrics"]["test/accuracy"]
    with pytest.raises(InputError, match="the format must be one of 1, 2; the same command trains it again, got 3"):
        fairrun.load(folder)


def test_the_card_tells_data_groups_metrics_and_limits(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, "method=penalty", SAVE])
    model = fairrun.load(folder)
    card = model.card()
    assert "# Model card: penalty on table" in card
    assert "- Predicts: hired (1 is yes, 0 is no); network" in card
    parameters = ("method.lam=1.0", "method.optimizer.lr=0.001", "model.width=64", "epochs=2", "batch_size=32")
    assert all(f"{key}" in card for key in parameters) and "averaging.decay" not in card
    assert "- Columns: x0, x1, x2, x3, x4, x5, kind; 8 features of them." in card
    assert "- The sensitive attribute (group) is none of them." in card
    for g, name in enumerate(model.about["groups"]):
        assert f"| accuracy | {name} | {model.record['metrics'][f'test/accuracy/s={g}']:.4f} | [" in card
    rows = [cells[0] for cells in model.record["base_rates"]["test"]]
    few = [name for name, n in zip(model.about["groups"], rows, strict=True) if n < 30]
    assert all(f"- {name}: " in card for name in few)


@pytest.mark.parametrize(
    ("metric", "bound", "said"),
    few(
        [
            (
                "demographic_parity_difference",
                0.0,
                "of at most 0, on validation rows.\n- On test rows it is {}: the bound is not",
            ),
            (
                "worst_group_accuracy",
                0.01,
                "of at least 0.01, on validation rows.\n- On test rows it is {}: the bound is kept",
            ),
        ],
        1,
    ),
)
def test_the_card_tells_whether_the_bound_of_the_epoch_is_kept(metric, bound, said, tmp_path, described):
    given = ["method=erm", f"metric={metric}", f"fairness_bound={bound}", "selection=best", SAVE]
    (folder,) = trained(tmp_path, [*described, *given])
    model = fairrun.load(folder)
    value = model.record["metrics"][f"test/{metric}"]
    assert f"- Bound: {metric.replace('_', ' ')} {said.format(f'{value:.4f}')}" in model.card()


@pytest.mark.slow
def test_the_card_tells_that_thresholds_are_of_predict_alone(tmp_path, described):
    folders = trained(tmp_path, [*described, "method=erm", SAVE], [*described, *KINDS["thresholds"], SAVE])
    plain, thresholds = (fairrun.load(folder).card() for folder in folders)
    assert "- Decisions are predict's; predict_proba and a network's to_torch give the score before them." in thresholds
    assert "- Decisions need the sensitive attribute of each row; some are random." in thresholds
    assert "predict_proba" not in plain and "- Bound: " not in plain
    for card in (plain, thresholds):
        rows = re.findall(r"^\| [^|]+ \| [^|]+ \| ([\d.]+) \| \[([\d.]+), ([\d.]+)\] \|$", card, re.MULTILINE)
        assert len(rows) >= 10 and all(float(low) <= float(mean) <= float(high) for mean, low, high in rows)


def test_a_sweep_leaves_scores_and_where_weights_are_asked_for_trains_again(tmp_path, described, caplog):
    (folder,) = trained(tmp_path, [*described])
    assert {path.name for path in (folder / "model").iterdir()} == {files.SCORES}
    with pytest.raises(InputError, match=r"must hold a saved model: the same command with results.save=chosen"):
        fairrun.load(folder)
    trained(tmp_path, [*described, SAVE])
    assert "1 run left no weights and is trained again, as results.save=chosen asks" in caplog.text
    fairrun.load(folder)
    before = results.read(folder)
    trained(tmp_path, [*described, SAVE])
    assert results.read(folder) == before


def test_damaged_files_and_other_versions_are_one_message(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, SAVE])
    with pytest.raises(InputError, match="folder must be the folder of a run, a text or a path, got 3"):
        fairrun.load(3)
    with pytest.raises(InputError, match=r"folder must be that of a run .*, which holds the runs '.*/0'"):
        fairrun.load(tmp_path)
    with pytest.raises(InputError, match="epoch must be one of chosen, last, got 'first'"):
        fairrun.load(folder, "first")
    record = json.loads((folder / results.RECORD).read_text())
    other = record | {"config": record["config"] | {"model": {"_target_": "fairrun.models.gone.Net"}}}
    (folder / results.RECORD).write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"holds a model of fairrun .*, which fairrun .* cannot build: model._target_"):
        fairrun.load(folder)
    (folder / results.RECORD).write_text(json.dumps(record))
    weights = folder / "model" / files.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(InputError, match="is damaged: its SHA-256 is not the one in the record"):
        fairrun.load(folder)


@pytest.mark.slow
def test_random_decisions_of_a_saved_model_follow_their_probabilities(tmp_path, described):
    given = [*described, "method=exponentiated_gradient", "method.max_iter=5", SAVE]
    (folder,) = trained(tmp_path, given)
    model = fairrun.load(folder)
    rows, _ = rows_of(model, "test")
    p = model.predict_proba(rows)[:, 1]
    drawn = np.mean([model.predict(rows, seed=k) == "yes" for k in range(200)], axis=0)
    assert ((p > 0) & (p < 1)).any() and np.abs(drawn - p).max() < 0.2
    assert np.array_equal(model.predict(rows, seed=1), model.predict(rows, seed=1))
    shares = json.loads((folder / "model" / files.ABOUT).read_text())[files.SHARES]
    assert len(shares) > 1 and sum(shares.values()) == pytest.approx(1)
    card = model.card()
    assert "classifier: Logistic" in card and "Decisions are random" in card and "| [" in card
    with pytest.raises(InputError, match=r"^to_torch needs a run that trains a network, got .* \(Logistic\)$"):
        model.to_torch()
    trained(tmp_path, given)
    assert fairrun.load(folder).record == model.record  # nothing is trained again


def test_a_classifier_that_cannot_be_saved_leaves_its_scores(tmp_path, described, caplog):
    tree = [
        "estimator@method.estimator=classifier",
        "method.estimator.classifier=sklearn.neighbors.KNeighborsClassifier",
    ]
    tree += ["+method.estimator.params.algorithm=kd_tree"]
    (folder,) = trained(tmp_path, [*described, "method=estimator", *tree, SAVE])
    assert "no model is saved, but its scores: KNeighborsClassifier holds sklearn" in caplog.text
    assert {path.name for path in (folder / "model").iterdir()} == {files.SCORES}
    with pytest.raises(InputError, match=r"holds no model: .* model/scores\.parquet has what it predicts"):
        fairrun.load(folder)
    before = results.read(folder)
    trained(tmp_path, [*described, "method=estimator", *tree, SAVE])
    assert results.read(folder) == before  # nothing is trained again


def test_a_classifiers_file_needs_its_package_and_its_own_content(tmp_path, described, monkeypatch):
    (folder,) = trained(tmp_path, [*described, "method=estimator", SAVE])
    with monkeypatch.context() as patched:
        patched.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(InputError, match=r"cannot build: .* needs the package skops: pip install skops$"):
            fairrun.load(folder)
    (file,) = (folder / "model").glob("*.skops")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    with pytest.raises(InputError, match=r"skops is damaged: its SHA-256 is not the one in the record"):
        fairrun.load(folder)
    file.write_bytes(b"no archive")
    record = results.read(folder)
    record["model"][file.name] = hashlib.sha256(b"no archive").hexdigest()
    (folder / results.RECORD).write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"cannot build: .*skops must hold types of classifiers only"):
        fairrun.load(folder)


def test_a_model_shows_in_one_line(tmp_path, described):
    (folder,) = trained(tmp_path, [*described, "method=erm", SAVE])
    assert repr(fairrun.load(folder)) == f"<erm on table, seed 0, 8 features, in {folder}>"
