"""A key with a new name works under the old one, as if the new one had been given."""

import pytest
from omegaconf import OmegaConf

from fairrun.command.compose import chosen
from fairrun.command.folders import sweep_name
from fairrun.command.renames import current, warn
from fairrun.config.check import InputError
from fairrun.config.keys import RENAMED, dotted, is_below
from fairrun.runs.checks.keys import check_keys
from hydra_plugins.fairrun_compose import settle
from tests.helpers.command import DESCRIPTION, INLINE, records
from tests.helpers.here import run_here
from tests.helpers.synthetic import ALL_METHODS, config


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dataset.omitted={sex: [a]}", "dataset.drop_categories={sex: [a]}"),
        ("+dataset.omitted.sex=[a]", "+dataset.drop_categories.sex=[a]"),
        ("++dataset.merged.race=a,b", "++dataset.binarize.race=a,b"),
        ("~dataset.omitted.sex", "~dataset.drop_categories.sex"),
        ("hydra.sweeper.params.dataset.omitted=1", "hydra.sweeper.params.dataset.drop_categories=1"),
        (
            "hydra.sweeper.params={seed: '1,2', dataset.omitted: '{},{sex: [a]}'}",
            "hydra.sweeper.params={seed: '1,2', dataset.drop_categories: '{},{sex: [a]}'}",
        ),
        ("+hydra.sweeper.nuisance.dataset.omitted=[1]", "+hydra.sweeper.nuisance.dataset.drop_categories=[1]"),
        ("dataset.omitted2=1", "dataset.omitted2=1"),
        ("--config-dir=dataset.omitted", "--config-dir=dataset.omitted"),
        ("-m", "-m"),
    ],
)
def test_an_argument_with_an_old_key_becomes_one_with_the_new_key(old, new):
    assert current([old], lambda: ["erm"]) == [new]


def test_what_a_file_says_of_an_old_key_is_said_of_the_new_one_unless_the_command_line_says_more():
    file = {"dataset": {"omitted": {"sex": ["a"]}, "drop_categories": {}, "merged": {"race": "b"}}, "method": {}}
    composed = OmegaConf.create(file)
    OmegaConf.set_struct(composed, True)
    settle(composed, "erm", ["seed=1"])
    assert composed.dataset == {"drop_categories": {"sex": ["a"]}, "binarize": {"race": "b"}}
    composed = OmegaConf.create(file)
    settle(composed, "erm", ["dataset.drop_categories={}"])
    assert composed.dataset.drop_categories == {}


@pytest.mark.parametrize(
    ("old", "new", "methods"),
    [
        ("+tuned.irw.alpha=0.2", "method.alpha=0.2", ["irw"]),
        ("+tuned.arl.adversary_lr=1,2", "method.adversary_optimizer.lr=1,2", ["arl"]),
        ("+bargain_epochs=2", "method.bargain_epochs=2", ["nash_ltr", "nash_forml"]),
        ("mtaf_variant=algorithm1", "method.variant=algorithm1", ["mtaf"]),
        ("mtaf_variant=authors", "method.reduction=sum", ["mtl_fair"]),
        ("method.variant=algorithm1,authors", "method.reduction=mean,sum", ["mtl_fair"]),
        ("method.variant=authors", "method.variant=authors", ["mtl_fair", "mtaf"]),
        ("method.eta=1,10", "method.lam=1,10", ["lagrangian"]),
        ("method.scope=batch,reweighted,resampled", "method=irw,irw_global,irw_resampled", ["irw"]),
        ("method.scope=batch", "method=irwo", ["irwo"]),
        ("method.scope=resampled", "method.scope=resampled", ["irw_global"]),
        ("method.eta=1,10", "method.eta=1,10", ["lagrangian", "fairbinn_authors"]),
        ("method.decay=0.9", "method.optimizer.decay=0.9", ["fairbinn", "lagrangian"]),
        ("method.fairness_decay=0.9", "method.fairness_optimizer.decay=0.9", ["fairbinn_sgd"]),
        ("method.decay_epochs=20", "method.optimizer.decay_every=20", ["fairbinn_authors"]),
        ("method.decay=0.9", "method.decay=0.9", ["vfair"]),
        ("shared_bottom.head=[8]", "model.head=[8]", ["mtl"]),
    ],
)
def test_a_key_that_reached_one_method_is_that_methods_field(old, new, methods):
    assert current([old], lambda: methods) == [new]


@pytest.mark.parametrize(
    ("old", "methods", "said"),
    [
        (
            "bargain_epochs=2",
            ["ltr", "erm"],
            r"is now method\.bargain_epochs, of .*: not of method=erm, ltr",
        ),
        (
            "mtaf_variant=authors",
            ["erm"],
            r"is now method\.variant, of method=mtaf: not of",
        ),
        ("+tuned.irv.alpha=1", ["irw"], r"tuned\.irv\.alpha is no key"),
    ],
)
def test_a_key_that_would_reach_other_methods_than_it_did_is_refused(old, methods, said):
    with pytest.raises(InputError, match=said):
        current([old], lambda: methods)


@pytest.mark.parametrize(
    ("method", "alpha", "layers"), [("irw", 0.2, "all"), ("irwo", 0.5, "last"), ("erm", None, None)]
)
def test_a_file_with_keys_that_reached_one_method_sets_them_for_this_method_only(method, alpha, layers):
    composed = config(f"method={method}")
    OmegaConf.update(composed, "tuned", {"irw": {"alpha": 0.2, "layers": "all"}}, force_add=True)
    OmegaConf.update(composed, "dro_variant", "zeng", force_add=True)
    settle(composed, method, [f"method={method}"])
    assert "tuned" not in composed and "dro_variant" not in composed
    assert (composed.method.get("alpha"), composed.method.get("layers")) == (alpha, layers)
    OmegaConf.update(composed, "tuned", {"irw": {"alpha": 0.7, "layers": "last"}}, force_add=True)
    settle(composed, method, [f"method={method}", "method.alpha=0.2"])
    assert (composed.method.get("alpha"), composed.method.get("layers")) == (alpha, "last" if layers else None)


def test_methods_are_those_of_the_command_line_or_of_its_experiments():
    assert chosen("method", ["-m", "method=erm,irw"]) == ["erm", "irw"]
    assert chosen("method", ["experiment=fairbinn/layers", "method=penalty"]) == ["penalty"]
    assert chosen("method", ["-m", "experiment=fairbinn/layers,irw/adult"]) == ["fairbinn_authors", "erm"]
    assert chosen("method", ["seed=1"]) == ["erm"]


@pytest.mark.parametrize("method", ALL_METHODS)
def test_no_key_of_today_has_an_old_name(method):
    keys = dotted(OmegaConf.to_container(config(f"method={method}")))
    for entry in RENAMED:
        if not entry.methods or method in entry.methods:
            assert not any(is_below(key, entry.old) for key in keys), entry


@pytest.mark.slow
def test_old_keys_on_the_command_line_and_in_an_experiment_give_the_run_of_the_new_keys(tmp_path, csv):
    experiment = tmp_path / "mine" / "experiment"
    experiment.mkdir(parents=True)
    for name, key in (("old", "omitted"), ("new", "drop_categories")):
        text = f"# @package _global_\ndataset: {{{key}: {{kind: [a]}}}}\n"
        (experiment / f"{name}.yaml").write_text(text)
    given = ["-m", *DESCRIPTION, "epochs=1", f"hydra.searchpath=[file://{tmp_path}/mine]", INLINE]
    both = {"old": "+dataset.merged.group=north,south", "new": "+dataset.binarize.group=north,south"}
    for name, key in both.items():
        done = run_here(tmp_path, *given, f"experiment={name}", key, f"hydra.sweep.dir={name}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert (done.stdout + done.stderr).count("is now dataset.drop_categories") == (name == "old")
        assert (done.stdout + done.stderr).count("is now dataset.binarize") == (name == "old")
    old, new = (records(tmp_path / name) for name in both)
    assert [record["key"] for record in old] == [record["key"] for record in new]
    assert len({record["key"] for record in old}) == 2
    assert new[0]["config"]["dataset"]["drop_categories"] == {"kind": ["a"]}


@pytest.mark.slow
def test_a_sweep_with_an_old_key_is_in_the_folder_of_the_new_key(tmp_path, csv):
    for key in ("omitted", "drop_categories"):
        done = run_here(tmp_path, "-m", *DESCRIPTION, f"+dataset.{key}.kind=[a]", "epochs=1", INLINE)
        assert done.returncode == 0, done.stderr
    assert "1 of them done before" in done.stdout
    assert sweep_name(["+dataset.drop_categories.kind=[a]"]) != sweep_name(["+dataset.omitted.kind=[a]"])


@pytest.mark.slow
@pytest.mark.parametrize(("own", "lams"), [([], [1, 10]), (["method.lam=2"], [2])])
def test_a_field_with_a_new_name_for_one_method_of_a_sweep_is_renamed_in_its_jobs_or_is_beside_their_own(
    own, lams, tmp_path, csv
):
    given = ["-m", "method=fairbinn_authors,lagrangian", "method.eta=1,10", "model.fairness_layers=1", "epochs=1"]
    done = run_here(tmp_path, *given, *own, *DESCRIPTION, INLINE)
    assert done.returncode == 0, done.stderr
    found = [(r["choices"]["method"], r["config"]["method"]) for r in records(tmp_path)]
    assert sorted((name, node.get("eta", node.get("lam"))) for name, node in found) == [
        ("fairbinn_authors", 1),
        ("fairbinn_authors", 10),
        *(("lagrangian", lam) for lam in lams),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "launcher"),
    [("method.variant=authors", ["hydra/launcher=basic"]), ("+mtaf_variant=authors", [INLINE])],
)
def test_a_key_with_different_new_names_is_renamed_in_each_job(tmp_path, csv, old, launcher):
    tasks = "+dataset.tasks={a: {column: hired, positive: yes}, b: {column: x1, above: 0}}"
    given = ["method=mtaf,mtl_fair", "model=shared_bottom", tasks, "epochs=1", old]
    done = run_here(tmp_path, "-m", *DESCRIPTION, *given, *launcher)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {r["choices"]["method"]: r["config"]["method"] for r in records(tmp_path)}
    assert found["mtaf"]["variant"] == "authors" and found["mtl_fair"]["reduction"] == "sum"


@pytest.mark.slow
def test_an_old_key_is_left_out_of_jobs_whose_method_lacks_it(tmp_path, csv):
    assert current(["bargain_epochs=1"], lambda: ["erm", "nash_ltr"]) == ["bargain_epochs=1"]
    given = [
        "-m",
        *DESCRIPTION,
        "method=erm,nash_ltr",
        "bargain_epochs=1",
        "dataset.split.balanced=2",
        "epochs=1",
        INLINE,
    ]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bargain_epochs is now method.bargain_epochs" in done.stdout
    assert "method.bargain_epochs: left out with method=erm" in done.stdout


def test_warnings_and_messages_have_the_whole_new_key(caplog):
    for old, new in (
        ("tuned.irw.alpha=0.3", "tuned.irw.alpha is now method.alpha"),
        ("method.scope=reweighted", "method.scope=reweighted is now method=irw_global"),
    ):
        warn.cache_clear()
        current([old], lambda: ["irw"])
        assert f"{new}; the old name works in this version only" in caplog.text
    assert current(["+dataset.merged={race: Black}"], lambda: ["erm"]) == ["+dataset.binarize={race: Black}"]
    with pytest.raises(InputError, match=r"^shared_bottom\.width is no key: a method's own are method\.KEY, a model's"):
        current(["shared_bottom.width=8"], lambda: ["erm"])


@pytest.mark.slow
def test_the_scope_of_irw_is_a_choice_of_method(tmp_path, csv):
    given = ["-m", "method=irw", "method.scope=batch,resampled", "epochs=1", *DESCRIPTION, INLINE]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stderr
    assert [(r["choices"]["method"], r["config"]["method"].get("scope")) for r in records(tmp_path)] == [
        ("irw", None),
        ("irw_resampled", "resampled"),
    ]


def test_the_scope_of_irw_in_a_file_is_refused_by_its_new_name():
    composed = config("method=irw")
    OmegaConf.update(composed, "method.scope", "reweighted", force_add=True)
    with pytest.raises(InputError, match=r"method\.scope=reweighted is now method=irw_global"):
        settle(composed, "irw", [])


def test_a_key_under_both_of_its_names_is_refused():
    with pytest.raises(InputError, match=r"^method\.eta is now method\.lam, which is given too: give one of them$"):
        current(["method.eta=1,2", "method.lam=3"], lambda: ["lagrangian"])


@pytest.mark.parametrize(
    ("node", "values"), [("tuned", {"iwr": {"alpha": 0.1}}), ("shared_bottom", {"width": 7}), ("dro_varaint", None)]
)
def test_a_file_with_a_key_that_never_was_is_refused(node, values):
    composed = config("method=irw")
    OmegaConf.update(composed, node, values, force_add=True)
    with pytest.raises(InputError, match=rf"{node}(\.\w+)* is no key"):
        settle(composed, "irw", ["method=irw"])
        check_keys(OmegaConf.to_container(composed, resolve=True))


def test_a_key_of_another_method_of_a_sweep_keeps_its_name_beside_the_new_one(caplog):
    job = ["method=lagrangian", "method.eta=1", "method.lam=3"]
    assert current(job, lambda: ["lagrangian"], one_of_several=True) == job
    assert not caplog.records
