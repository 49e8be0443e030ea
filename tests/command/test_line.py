"""What is wrong with a command line, said in one message."""

import copy

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairrun.command.compose import composed, searched, with_folders
from fairrun.command.mistakes.choices import refuse_missing_groups
from fairrun.command.mistakes.explain import explain, in_one_line
from fairrun.command.mistakes.overrides import mistakes
from fairrun.command.words import options_first, quoted, written
from fairrun.config.check import InputError
from fairrun.config.keys import CONF
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.keys import check_keys
from tests.helpers.quick import few
from tests.helpers.synthetic import config

FILES = {
    "experiment/choice": "# @package _global_\ndefaults:\n  - override /method: pnalty\n",
    "experiment/group": "# @package _global_\ndefaults:\n  - override /metod: penalty\n",
    "experiment/optimizer": "# @package _global_\ndefaults:\n  - override /optimizer@method.optimizer: sdg\n",
    "experiment/broken": "# @package _global_\nepochs: [1\n",
    "method/mine": "_target_: fairrun.methods.erm.ERM\n",
}


@pytest.fixture
def path(tmp_path):
    """A folder of a user's own configuration files, as an override."""
    for name, text in FILES.items():
        file = (tmp_path / name).with_suffix(".yaml")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return f"hydra.searchpath=[file://{tmp_path}]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    few(
        [
            (["method=pnalty"], "method=pnalty is no choice: did you mean method=penalty?"),
            (["-m", "method=erm,pnalty"], "method=pnalty is no choice: did you mean method=penalty?"),
            (["-m", "dataset=german,compass"], "dataset=compass is no choice: did you mean dataset=compas?"),
            (
                ["optimizer@method.optimizer=sdg"],
                "optimizer@method.optimizer=sdg is no choice: did you mean optimizer@m",
            ),
            (
                ["model=foo"],
                "model=foo is no choice: there are model=cnn, model=linear, model=mlp, model=module, model=resnet18, ",
            ),
            (["dataset=foo"], "dataset=foo is no choice: there are dataset=acs_employment_ma, "),
            (["metric=foo"], "metric=foo is no choice: there are metric=accuracy_difference, "),
            (["metric=roc_auc"], "metric=roc_auc is no choice: roc_auc has no file; metric.name=roc_auc works"),
            (["method=min"], "method=min is no choice: did you mean method=mine?"),
            (["experiment=choice"], "in experiment/choice: method=pnalty is no choice: did you mean method=penalty?"),
            (["experiment=group"], "in experiment/group: In 'experiment/group': Could not override 'metod'. No match"),
            (
                ["experiment=optimizer"],
                "in experiment/optimizer: optimizer=sdg is no choice: did you mean optimizer=sgd?",
            ),
            (["metod=erm"], "metod is no key: did you mean method?"),
            (["lr=0.01"], "lr is no key: did you mean method.optimizer.lr?"),
            (["learning_rate=0.1"], "learning_rate is no key: did you mean method.optimizer.lr?"),
            (["optimizer.lr=0.1"], "optimizer.lr is no key: did you mean method.optimizer.lr?"),
            (["method.lr=0.1"], "method.lr is no key: did you mean method.optimizer.lr?"),
            (["method=penalty", "lam=1"], "lam is no key: did you mean method.lam?"),
            (
                ["lam=1"],
                "lam is no key: did you mean method.lam? It is one with method=fbgrad, lagrangian, mtaf, mtl, mtl",
            ),
            (
                ["method=fairbinn", "lr=1"],
                "lr is no key: did you mean method.optimizer.lr or method.fairness_optimizer.lr",
            ),
            (["plugins.x=3"], "plugins is a list: give it whole, as plugins=[...]; got 'plugins.x=3'"),
            (["method.lam=1"], "method.lam is no key with method=erm; it is one with method=fbgrad, lagrangian, mtaf,"),
            (
                ["model=module", "model.module.size=3"],
                "model.module.size is no key yet: a plus sign adds it, +model.module.size=",
            ),
            (["method=ERM"], "method=ERM is no choice: did you mean method=erm?"),
            (["dataset.split.sed=1"], "dataset.split.sed is no key: did you mean dataset.split.seed?"),
            (["hydra.sweep.dri=x"], "hydra.sweep.dri is no key: did you mean hydra.sweep.dir?"),
            (
                ["hydra.launcher.worker=2", "-m"],
                "hydra.launcher.worker is no key: did you mean hydra.launcher.workers?",
            ),
            (
                ["estimator=lightgbm", "method=estimator"],
                "estimator=lightgbm chooses for no node of this run; did you mean estimator@method.estimator=lightgbm?",
            ),
            (
                ["estimator=lightgbm"],
                "estimator=lightgbm chooses for a node that method=estimator, exponentiated_gradient, grid_search has;"
                " did you mean method=estimator estimator@method.estimator=lightgbm?",
            ),
            (
                ["estimator@method.estimator=lightgbm"],
                "estimator@method.estimator=lightgbm chooses for a node that method=",
            ),
            (
                ["optimizer@method.optimiser=sgd"],
                "optimizer@method.optimiser=sgd chooses for no node of this run; did you mean optimizer@method.opti",
            ),
            (
                ["method=fairbinn", "optimizer@method.fairness_optimizer=sgd", "epoch=1"],
                "epoch is no key: did you mean epochs?",
            ),
            (
                ["dataset=my/loans.csv"],
                "dataset=my/loans.csv is no choice; a table of your own is dataset=csv dataset.path=my/loans.csv"
                " dataset.label=COLUMN dataset.sensitive=[COLUMN] (fairrun data my/loans.csv proposes them)",
            ),
            (
                ["loans.csv"],
                "'loans.csv' is no override, KEY=VALUE; a table of your own is dataset=csv dataset.path=loans",
            ),
            (
                ["my loans.csv"],
                "'my loans.csv' is no override, KEY=VALUE; a table of your own is dataset=csv "
                "'dataset.path=my loans.csv' "
                "dataset.label=COLUMN dataset.sensitive=[COLUMN] (fairrun data 'my loans.csv' proposes them)",
            ),
            (["tracker.mode=online"], "tracker.mode is no key with tracker=none; it is one with tracker=wandb"),
            (["penalty"], "'penalty' is no override, KEY=VALUE; did you mean method=penalty or sweep=penalty?"),
            (["--config-dir", "nowhere", "epochs"], "'epochs' is no override, KEY=VALUE"),
            (["method.lam=[1"], "'method.lam=[1' cannot be read: no viable alternative at input '[1'"),
            (["bach_size=1", "epoch=2"], "bach_size is no key: did you mean batch_size?"),
            (["method=penalty", "method.lam=1", "seed=1"], None),
        ],
        20,
    ),
)
def test_a_mistake_is_named_with_the_nearest_right_spelling(path, arguments, said):
    found = mistakes([path, *arguments])
    assert found[0].startswith(said) if said else not found


def test_the_keys_that_there_are_are_listed_once():
    (said,) = mistakes(["zzz=1"])
    names = said.removeprefix("zzz is no key: there are ").split(", ")
    assert "seed" in names and len(names) == len(set(names))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert mistakes([f"hydra.searchpath=[file://{tmp_path}/cnf]", "method=mine"]) == [
        f"the search path must hold folders that exist, got '{tmp_path}/cnf'"
    ]


@pytest.mark.parametrize(
    "argument", ["method=1", "tracker=[null]", "model=1e30", "method=erm,1", "+metric=true", "model=[]"]
)
def test_a_choice_that_is_no_name_is_refused(argument):
    with pytest.raises(InputError, match=r"^\w+ must be the name of a choice, got "):
        refuse_missing_groups([argument])
    refuse_missing_groups(["method=erm,irw", "model=mlp", "+metric={}", "seed=1", "sweep=null", "method=choice(erm)"])


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("method.estimator=lightgbm", "estimator@method.estimator=lightgbm"),
        ("method.estimator=lihgtgbm", "estimator@method.estimator=lightgbm"),
        ("method.fairness_optimizer=sgd,adam", "optimizer@method.fairness_optimizer=sgd,adam"),
    ],
)
def test_a_name_for_a_node_is_answered_with_the_choice(argument, meant):
    with pytest.raises(InputError) as error:
        refuse_missing_groups([argument])
    assert str(error.value) == f"{argument} makes no choice; did you mean {meant}?"
    refuse_missing_groups(["method.optimizer.lr=1", "method.optimizer={lr: 1}", "dataset.path=adam"])


def test_a_broken_file_is_named_with_its_line(path, tmp_path):
    with pytest.raises(yaml.YAMLError) as found, initialize_config_dir(str(CONF), version_base="1.3"):
        compose("train", [path, "experiment=broken"])
    said = explain(found.value, [])
    assert said.startswith("a configuration file must be YAML: ") and f"{tmp_path}/experiment/broken.yaml" in said


@pytest.mark.parametrize("name", ["x (1)", "it's", "a,b", "plain"])
def test_a_folder_of_any_name_is_searched(name, tmp_path, monkeypatch):
    files = tmp_path / name / "conf"
    (files / "method").mkdir(parents=True)
    (files / "method" / "mine.yaml").write_text("defaults: [erm]\n")
    assert searched(["method=mine", f"--config-dir={files}"]) == [files]
    monkeypatch.setattr("fairrun.command.compose.more", lambda: [files])
    line = with_folders(["method=mine"])
    assert searched(line) == [files] and composed(line).method._target_ == "fairrun.methods.erm.ERM"


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_bytes(b"lam: \xff")
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    said = explain(error, ["method=mine", f"hydra.searchpath=[file://{tmp_path}]"])
    assert said == f"{tmp_path}/method/mine.yaml must be text in UTF-8"
    assert "\n" not in said


@pytest.mark.parametrize("argument", ["method=null", "~dataset", "~model=mlp", "tracker=null", "metric="])
def test_a_group_that_a_run_needs_is_not_taken_away(argument):
    if argument == "metric=":
        refuse_missing_groups([argument, "sweep=null", "~tuned@method", "dataset.task=null"])
    else:
        with pytest.raises(InputError, match=rf"^\w+ must be a choice, as \w+=\w+, got '{argument}'$"):
            refuse_missing_groups(["seed=1", argument])


@pytest.mark.parametrize(
    ("error", "said"),
    few(
        [
            (MemoryError(), "out of memory: use a smaller model, batch_size or hydra.launcher.stack_size"),
            (OSError(28, "No space left on device", "/x"), "No space left on device: /x"),
            (ValueError("odd"), "ValueError: odd (FAIRRUN_DEBUG=1 shows where)"),
            (HydraException("what Hydra says"), "what Hydra says"),
            (InputError("a is b"), "a is b"),
        ],
        3,
    ),
)
def test_what_is_not_the_command_lines_fault_is_said_in_one_line(error, said):
    assert explain(error, ["seed=1"]) == said


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("schedule=[1]", "schedule must be a mapping, {NAME: VALUE}, got [1]"),
        ("+dataset.tasks=[a,b]", "dataset.tasks must be a mapping, {NAME: VALUE}, got [a,b]"),
        ("dataset.sensitive={a: 1}", "dataset.sensitive must be a list, [VALUE], got {a: 1}"),
        ("hydra.job.num=abc", "hydra.job.num=abc: Value 'abc' of type 'str' could not be converted to Integer"),
        ("+seed=3", "seed is there already: give it without the plus sign"),
    ],
)
def test_a_value_of_another_kind_is_said_in_one_line(argument, said):
    with pytest.raises(HydraException) as found:
        composed([argument])
    assert explain(found.value, [argument]) == said


def test_a_variable_that_is_not_set_is_named_with_its_key():
    with pytest.raises(OmegaConfBaseException) as found:
        OmegaConf.to_container(OmegaConf.create({"epochs": "${oc.env:NOT_SET_ANYWHERE}"}), resolve=True)
    assert in_one_line(found.value) == "epochs: Environment variable 'NOT_SET_ANYWHERE' not found"


def nodes(node, path=()):
    """The path of every node and value."""
    for key, value in node.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from nodes(value, (*path, key))


@pytest.mark.parametrize("value", few([None, 3, "x", [1], {}, {"a": 1}, {1: 2}, float("inf")], 4))
def test_no_node_or_value_that_is_another_kind_of_thing_raises_anything_but_a_message(value):
    """Every key of a configuration in turn."""
    whole = OmegaConf.to_container(config("method=irw", "dataset=german", "tracker=wandb"), resolve=True)
    for *parents, name in nodes(whole):
        changed = copy.deepcopy(whole)
        node = changed
        for parent in parents:
            node = node[parent]
        for replaced in (True, False):
            if replaced:
                node[name] = value
            else:
                del node[name]
            try:
                check_keys(changed)
                check(changed)
            except InputError as error:
                assert str(error)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("dataset.positive=>50K", ">50K"),
        ("dataset.positive=<=50K", "<=50K"),
        ("dataset.positive=#1", "#1"),
        ("dataset.positive=it's", "it's"),
        ("dataset.positive=a;b", "a;b"),
        ("dataset.label=größe", "größe"),
        ("dataset.path=/tmp/Zoë & co.csv", "/tmp/Zoë & co.csv"),
        ("dataset.sensitive=[größe]", ["größe"]),
        ("dataset.sensitive=[sex, größe]", ["sex", "größe"]),
        ("dataset.drop_columns=[a;b,c]", ["a;b", "c"]),
        ("dataset.rows.categories=[größe]", ["größe"]),
        ("dataset.rows.separator=;", ";"),
        ("dataset.rows.separator=|", "|"),
    ],
)
def test_names_and_values_of_the_users_data_need_no_quotes(argument, value):
    (override,) = OverridesParser.create().parse_overrides(quoted([argument]))
    assert override.value() == value


@pytest.mark.parametrize(
    "argument",
    [
        "dataset.positive=1",
        "dataset.positive='>50K'",
        "dataset.sensitive=[sex]",
        "method.lam=(1",
        "-m",
        "dataset.label=a,b",
    ],
)
def test_what_hydra_reads_and_what_is_none_of_the_users_data_stays(argument):
    assert quoted([argument]) == [argument]


def test_options_come_first_so_that_hydra_reads_what_is_behind_them():
    assert options_first(["seed=0", "-m", "epochs=1"]) == ["-m", "seed=0", "epochs=1"]
    assert options_first(["a=1", "--cfg", "job", "b=2"]) == ["--cfg", "job", "a=1", "b=2"]


def test_an_option_that_is_not_there_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        options_first(["--multirn", "seed=0,1"])
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "unrecognized arguments: --multirn; did you mean --multirun?" in said


@pytest.mark.parametrize(
    "value", ["a", "größe", ">50K", "it's", "null", True, None, 1.5, "1", [">50K", {"column": "a b", "bins": [1, 2]}]]
)
def test_a_value_is_written_as_the_command_line_reads_it(value):
    assert OverridesParser.create().parse_override(f"key={written(value)}").value() == value


def test_the_folder_conf_of_the_current_one_is_looked_at_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert with_folders(["a=1"]) == ["a=1"]
    (tmp_path / "conf").mkdir()
    assert with_folders(["a=1"]) == ["a=1", f"hydra.searchpath=[file://{tmp_path}/conf]"]
    assert with_folders(["hydra.searchpath=[file:///x]"]) == ["hydra.searchpath=[file:///x]"]
    monkeypatch.chdir(CONF.parent)
    assert with_folders(["a=1"]) == ["a=1"]
