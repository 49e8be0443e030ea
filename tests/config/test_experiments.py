"""The presets of papers: that they hold the papers' values."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from fairrun.method.steps import split
from fairrun.runs.built import network
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import facts, load
from fairrun.train import CONF
from tests.helpers.quick import few
from tests.helpers.synthetic import METHODS, config

# Of Zeng et al.'s code: lr, dropout, batch, epochs, first epoch of stage 2, validation rows a cell, test fraction
NASH = {
    "adult_sex": (1e-3, 0.2, 512, 50, 15, 3, 0.03),
    "adult_race": (5e-4, 0.4, 512, 50, 15, 3, 0.03),
    "bank": (1e-3, 0.3, 512, 50, 15, 3, 0.03),
    "communities": (1e-4, 0.2, 32, 50, 15, 1, 0.03),
    "credit": (1e-3, 0.5, 512, 100, 100, 4, 0.03),
    "student_por": (1e-3, 0.05, 32, 50, 10, 2, 0.1),
    "titanic": (1e-3, 0.4, 128, 50, 50, 1, 0.03),
}


@pytest.mark.parametrize("name", NASH)
@pytest.mark.parametrize("method", few(["nash_ltr", "ltr", "dro", "erm"], ["nash_ltr"]))
def test_a_nash_preset_holds_the_values_of_the_authors_code(name, method):
    """Their lr and weight decay are for a sum over the batch, by the square root of the batch size."""
    lr, dropout, batch, epochs, second_stage, rows, fraction = NASH[name]
    cfg = config(f"experiment=nash/{name}", f"method={method}")
    assert cfg.method.optimizer._target_ == "fairrun.training.optim.SGD"
    assert cfg.method.optimizer.lr == pytest.approx(lr * math.sqrt(batch), rel=1e-3)
    assert cfg.method.optimizer.weight_decay == pytest.approx(5e-4 / math.sqrt(batch), rel=1e-3)
    assert cfg.method.optimizer.momentum == 0.9
    assert (cfg.epochs, cfg.batch_size, cfg.selection) == (epochs, batch, "last")
    assert (list(cfg.model.width), cfg.model.depth, cfg.model.dropout) == ([128, 64], 2, dropout)
    split = cfg.dataset.split
    assert (split.test, split.balance_test, split.balanced) == (fraction, True, rows)
    assert cfg.dataset.scale == "all"
    if method == "dro":
        assert (cfg.method.fraction, cfg.method.variant) == (0.4, "zeng")
    elif method != "erm":
        assert cfg.method.bargain_epochs == (second_stage - 1 if method == "nash_ltr" else 0)


def test_every_nash_preset_is_checked():
    assert {path.stem for path in (Path(CONF) / "experiment" / "nash").glob("*.yaml")} == {*NASH, "celeba"}


def test_the_image_presets_have_the_networks_and_the_values_that_their_papers_tell():
    fairbinn = config("experiment=fairbinn/celeba", "dataset.path=x")
    assert (fairbinn.epochs, fairbinn.batch_size, fairbinn.method.eta) == (30, 128, 1000)
    assert (fairbinn.method.optimizer.lr, fairbinn.method.fairness_optimizer.lr) == (1e-3, 1e-6)
    assert (fairbinn.dataset.label, fairbinn.model.groups.fairness) == ("Attractive", "layer4")
    irw = config("experiment=irw/celeba", "dataset.path=x")
    assert list(irw.dataset.sensitive) == ["Male", "Young"]
    nash = config("experiment=nash/celeba", "dataset.path=x", "method=nash_ltr")
    assert nash.method.bargain_epochs == 4
    for cfg in (fairbinn, irw, nash):
        assert cfg.model._target_ == "fairrun.models.resnet.ResNet18" and cfg.dataset.split.test == "official"


# Of Yazdani-Jahromi et al., Table 2: layers before the fairness layers, fairness layers, and the features of their code
FAIRBINN = {"adult": (2, 1, 101), "health": (2, 3, 125)}


@pytest.mark.parametrize("name", FAIRBINN)
@pytest.mark.parametrize("method", ["fairbinn", "fairbinn_authors"])
def test_a_fairbinn_preset_holds_the_values_of_the_papers_table(name, method):
    before, layers, features = FAIRBINN[name]
    cfg = config(f"experiment=fairbinn/{name}", f"method={method}")
    assert (cfg.epochs, cfg.batch_size, cfg.method.eta, cfg.selection) == (50, 100, 100, "last")
    assert [cfg.method[key]._target_ for key in ("optimizer", "fairness_optimizer")] == [
        "fairrun.training.optim.Adam"
    ] * 2
    assert (cfg.method.optimizer.lr, cfg.method.fairness_optimizer.lr) == (1e-3, 1e-5)
    model = cfg.model
    assert (model.width, model.depth, model.fairness_layers, model.fairness_position) == (
        features,
        before + layers,
        layers,
        before + 1,
    )
    assert (cfg.dataset.include_sensitive, model.dropout) == (True, 0)


def test_the_players_networks_are_the_lagrangians_and_as_large_as_they_should_be():
    """101-101-101-101-1 on Adult has 31,008 parameters, of which 10,302 are the fairness player's."""
    sizes = []
    for method in ("fairbinn", "fairbinn_authors", "stackelberg", "lagrangian"):
        cfg = config("experiment=fairbinn/adult", f"method={method}")
        theta = network(OmegaConf.to_container(cfg, resolve=True), 101).init([torch.Generator()])
        sizes.append([sum(p.numel() for p in part.values()) for part in split(theta, "fairness")])
    assert sizes == [[10302, 20706]] * 4


def test_the_ablations_of_fairbinn_have_the_networks_that_they_compare():
    """One fairness layer among four, at each place; one to three behind two others."""
    position = config("experiment=fairbinn/position", "model.fairness_position=2")
    assert (position.model.depth, position.model.fairness_layers, position.model.fairness_position) == (4, 1, 2)
    for layers in (1, 2, 3):
        model = config("experiment=fairbinn/layers", f"model.fairness_layers={layers}").model
        assert (model.depth, model.fairness_position) == (2 + layers, 3)


def test_adult_as_released_has_the_wrong_index_and_nine_groups_have_not():
    """The code's group 0 are the men, which of "sex=Female" and "sex=Male" are group 1."""
    losses = [config(f"experiment=fairbinn/{name}", "method=lagrangian").method.fairness_loss for name in FAIRBINN]
    assert losses == ["demographic_parity_fairbinn_group_1", "demographic_parity_fairbinn"]


# Of Wang et al.'s code: lr, batch, epochs; widths of shared layer, heads, embeddings; columns of numbers, of categories
MTAF = {
    "adult": (0.02, 1024, 40, 64, 32, 40, 4, 6),
    "adult_hours": (0.02, 1024, 40, 64, 32, 40, 3, 6),
    "german": (0.06, 128, 20, 32, 16, 1, 6, 13),
    "lsac": (0.08, 512, 60, 32, 16, 10, 7, 3),
    "law_school": (0.08, 512, 60, 32, 16, 10, 5, 3),  # without DOB_yr and weighted_lsat_ugpa
}
TEST_ROWS = {"adult": "official", "adult_hours": "official", "german": 0.2, "lsac": "official", "law_school": 0.3}
GRADE = {"column": "zfygpa", "above": 0}
INCOME = {"income": {"column": "income", "positive": ">50K"}, "gain": {"column": "capital-gain", "above": 0}}
LABELS = {
    "adult": INCOME,
    "adult_hours": INCOME | {"hours": {"column": "hours-per-week", "above": 40}},
    "german": {"bad_risk": {"column": "risk", "positive": "bad"}, "amount": {"column": "credit_amount", "above": 2000}},
    "lsac": {"grade": GRADE, "bar": {"column": "pass_bar", "positive": "Passed"}},
    "law_school": {"grade": GRADE, "bar": {"column": "pass_bar", "positive": 1}},
}


@pytest.mark.parametrize("name", MTAF)
@pytest.mark.parametrize("method", few(["mtaf", "mtl_fair", "mtl", "stl"], ["mtaf"]))
def test_an_mtaf_preset_holds_the_values_of_the_authors_code(name, method):
    lr, batch, epochs, shared, head, embedding, numeric, categorical = MTAF[name]
    cfg = config(f"experiment=mtaf/{name}", f"method={method}", "dataset.path=x")
    optimizer = cfg.method.optimizer
    assert (optimizer._target_, optimizer.lr) == ("fairrun.training.optim.Adagrad", lr)
    assert (optimizer.initial_accumulator_value, optimizer.eps) == (0.1, 0)
    assert (cfg.batch_size, cfg.epochs, cfg.selection) == (batch, epochs, "last")
    assert (cfg.model.shared, cfg.model.head, cfg.model.embedding_dim) == ([shared], [head], embedding)
    assert (len(cfg.dataset.numeric), len(cfg.dataset.categorical)) == (numeric, categorical)
    assert (cfg.dataset.split.test, cfg.dataset.split.val) == (TEST_ROWS[name], 0.2)
    assert cfg.metric.name == "false_positive_rate_difference"
    if method in ("mtaf", "mtl_fair"):
        assert (cfg.method.lam, cfg.method.task_weight, cfg.method.fairness_loss) == (1, 0.5, "mmd")
    assert cfg.method.variant == "authors" if method == "mtaf" else cfg.method.reduction == "sum"


@pytest.mark.parametrize("name", MTAF)
def test_an_mtaf_preset_has_the_papers_tasks_and_groups_and_leaves_their_columns_out(name):
    """Gender is a feature but on Adult, where relationship, which tells it, is none either."""
    dataset = config(f"experiment=mtaf/{name}", "dataset.path=x").dataset
    assert dataset.tasks == LABELS[name] and dataset.task is None and dataset.sensitive == ["sex"]
    features = {*dataset.numeric, *dataset.categorical}
    assert not features & {task["column"] for task in LABELS[name].values()}
    assert not features & {"capital-loss", "relationship", "personal_status", "decile1b", "decile3"}
    assert dataset.include_sensitive == ("sex" in features) == ("adult" not in name)


MTAF_CELEBA = ("celeba", "celeba_attributes")


def test_celebas_attributes_are_named_so_and_hold_tasks_and_groups_of_the_paper():
    cfg = config("experiment=mtaf/celeba_attributes", "method=mtaf", "dataset.path=x")
    assert cfg.dataset.rows._target_ == "fairrun.datasets.celeba.CelebAAttributes"
    columns = [(task.column, task.positive) for task in cfg.dataset.tasks.values()]
    assert columns == [("Attractive", 1), ("Smiling", 1)] and cfg.dataset.sensitive == ["Male"]
    assert (cfg.dataset.split.test, cfg.dataset.include_sensitive, cfg.method.variant) == ("official", False, "authors")


def test_celebas_images_have_the_same_tasks_and_a_trunk_of_convolutions():
    images, attributes = (config(f"experiment=mtaf/{name}", "method=mtaf", "dataset.path=x") for name in MTAF_CELEBA)
    assert images.dataset.tasks == attributes.dataset.tasks and images.dataset.sensitive == ["Male"]
    assert images.dataset.rows._target_ == "fairrun.datasets.celeba.CelebA" and images.method.variant == "authors"
    assert images.model.trunk._target_ == "fairrun.models.resnet.ResNet18" and images.model.head == [32]


def test_every_mtaf_preset_is_checked():
    found = {path.stem for path in (Path(CONF) / "experiment" / "mtaf").glob("*.yaml")}
    assert found == {*MTAF, "celeba", "celeba_attributes"}


@pytest.mark.parametrize(("name", "share"), {"bad_risk": 0.3, "amount": 0.568}.items())
def test_the_tasks_of_german_have_the_rates_of_the_authors_code(name, share):
    data = load(OmegaConf.to_container(config("experiment=mtaf/german"), resolve=True))
    y = torch.cat([table.y[:, data.tasks.index(name)] for table in data[:3]])
    assert (len(y), len(data.test.y)) == (1000, 200) and y.mean().item() == pytest.approx(share)


# Of the sister paper's code (VFair): Adagrad's lr, layers, epochs, and by data set its features where ours are the same
IRW = {"adult": (101, "official"), "compas": (7, 0.3), "law_school": (8, 0.3), "outliers": (7, 0.3)}
IRW |= {"compas_charges": (386, 0.3)}  # 448 over all rows, of which training rows have these
COMPARED = ["irw", "irwo", "irw_global", "irw_resampled", "cvar_dro", "chi2_dro", "arl", "bpf", "jtt", "vfair"]
COMPARED += ["group_dro", "reweighing", "group_resampling"]


@pytest.mark.parametrize("name", IRW)
@pytest.mark.parametrize("method", few(["erm", "irw", "group_dro"], ["irw"]))
def test_an_irw_preset_holds_what_is_known_of_the_protocol(name, method):
    cfg = config(f"experiment=irw/{name}", f"method={method}")
    optimizer = cfg.method.optimizer
    assert (optimizer._target_, optimizer.lr) == ("fairrun.training.optim.Adagrad", 0.01)
    assert (optimizer.initial_accumulator_value, optimizer.eps) == (0, 1e-10)  # torch's own
    assert (cfg.schedule.every, cfg.schedule.factor, cfg.epochs, cfg.batch_size) == (5, 0.5, 20, 256)
    assert (list(cfg.model.width), cfg.model.depth, cfg.model.dropout, cfg.selection) == ([64, 32], 2, 0, "last")
    assert (cfg.dataset.split.test, cfg.dataset.split.val) == (IRW[name][1], 0.02 if name == "compas_charges" else 0.2)
    assert (cfg.dataset.sensitive, cfg.dataset.include_sensitive) == (["sex", "race"], False)
    assert cfg.metric.name == "worst_group_accuracy"
    assert set(cfg.report.compare) == set(COMPARED) and set(cfg.report.compare.values()) == {"erm"}


def test_every_irw_preset_is_checked():
    assert {path.stem for path in (Path(CONF) / "experiment" / "irw").glob("*.yaml")} == {*IRW, "digits", "celeba"}


# Rows of training and validation, and of the test; their shares of women, of men, who are Black, and of the others
ROWS = {
    "adult": (32561, 16281, [0.048, 0.283, 0.048, 0.621]),
    "compas": (5050, 2164, [0.090, 0.103, 0.422, 0.385]),
    "compas_charges": (5050, 2164, [0.090, 0.103, 0.422, 0.385]),
    "law_school": (14559, 6239, [0.083, 0.356, 0.076, 0.486]),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_groups_of_an_irw_preset_are_sex_by_race_and_of_the_sizes_of_the_sister_paper(name):
    found = facts(load(OmegaConf.to_container(config(f"experiment=irw/{name}"), resolve=True)))
    rest, test, expected = ROWS[name]
    assert (found["rows"]["train"] + found["rows"]["val"], found["rows"]["test"]) == (rest, test)
    assert found["features"] == IRW[name][0] and len(found["groups"]) == 4
    counts = [sum(found["base_rates"][split][g][0] for split in ("train", "val")) for g in range(4)]
    assert [count / rest for count in counts] == pytest.approx(expected, abs=6e-4)


def test_the_outliers_of_the_irw_preset_are_a_tenth_of_the_training_rows():
    data = load(OmegaConf.to_container(config("experiment=irw/outliers"), resolve=True))
    assert data.outliers.sum() == round(0.1 * len(data.train.y))
    kinds = config("experiment=irw/outliers", "dataset.outliers.kind=null")
    assert load(OmegaConf.to_container(kinds, resolve=True)).outliers is None


def test_the_digits_preset_learns_ten_classes_in_two_groups():
    cfg = OmegaConf.to_container(config("experiment=irw/digits"), resolve=True)
    found = facts(load(cfg))
    assert found["classes"] == list("0123456789") and found["groups"] == ["colour=green", "colour=red"]
    check_data(cfg, found)


TUNED = sorted(str(path.relative_to(CONF / "tuned").with_suffix("")) for path in CONF.glob("tuned/**/*.yaml"))


@pytest.mark.parametrize("name", few(TUNED, 20))
def test_a_tuned_file_has_keys_and_values_that_its_method_or_model_takes(name):
    stem = name.rpartition("/")[2]
    group = "method" if stem in METHODS else "model"
    check(OmegaConf.to_container(config(f"{group}={stem}", f"tuned@{group}={name}"), resolve=True))


def test_every_tuned_file_is_an_experiments_and_every_experiments_folder_has_some():
    found = set()
    for path in CONF.glob("experiment/**/*.yaml"):
        for line in yaml.safe_load(path.read_text()).get("defaults", []):
            for group in ("method", "model"):
                if isinstance(line, dict) and (folder := line.get(f"override /tuned@{group}")):
                    assert folder.endswith(f"/${{{group}}}")
                    found.add(folder.rpartition("/")[0])
    assert found == {name.rpartition("/")[0] for name in TUNED}


def test_an_experiments_values_of_a_method_give_way_to_the_command_line_and_can_be_left_out():
    tuned = config("experiment=irw/outliers", "method=irw")  # those of irw/compas, which it is made of
    assert (tuned.method.alpha, tuned.method.layers) == (0.5, "last")
    adult = config("experiment=irw/adult", "method=irw", "method.alpha=0.9").method
    assert (adult.alpha, adult.layers) == (0.9, "all")
    plain = config("experiment=irw/adult", "method=irw", "~tuned@method").method
    assert (plain.alpha, plain.layers, plain.optimizer.lr) == (0.5, "last", 0.01)
