"""The command ``fairrun`` and its subcommands, in this process."""

import subprocess
import sys

import pandas as pd
import pytest

from fairrun.cli.main import names, summary, words
from tests.helpers.command import INLINE, ROOT, records
from tests.helpers.here import run_here
from tests.helpers.quick import few


@pytest.fixture
def fairrun(tmp_path):
    """``fairrun("list", "methods")`` -> exit status, standard output, standard error; in a folder of its own."""

    def run(*arguments):
        done = run_here(tmp_path, *arguments, module="fairrun")
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize(
    ("command", "said"),
    few(
        [
            ("trian", "trian is no subcommand; did you mean train?"),
            ("list methds", "did you mean methods?"),
            ("list methods --knows-groups maybe", "--knows-groups must be one of yes, validation, no, got 'maybe'"),
            ("list datasets --knows-groups no", "must be one of methods, got 'datasets'"),
            ("list --knows-groups", "expected one argument"),
            ("list --knows-groups no", "what is listed with --knows-groups must be one of methods, got None"),
            ("list methods --knows-group no", "unrecognized arguments: --knows-group no; did you mean --knows-groups?"),
            ("report . --column x", "unrecognized arguments: --column x; did you mean --columns?"),
            ("train method=erm --multi", "unrecognized arguments: --multi; did you mean --multirun?"),
            ("data german --sensitive=", "dataset.sensitive must "),
            ("help method.lamm", "did you mean method.lam?"),
            ("help trian", "did you mean train?"),
            ("version --al", "unrecognized arguments: --al"),
            ("data adul", "adul is no data set and no file; did you mean adult?"),
            ("data german --sensitive sexx", "dataset.sensitive must hold columns of the data"),
            ("data german --lable x", "unrecognized arguments: --lable x; did you mean --label?"),
            ("report nowhere", "must be a folder that exists, got 'nowhere'"),
            ("report . --colums x", "unrecognized arguments: --colums x; did you mean --columns?"),
            ("loans.csv", "loans.csv is no subcommand; a table of your own is dataset=csv dataset.path=loans.csv "),
            ("train loans.csv", "'loans.csv' is no override, KEY=VALUE; a table of your own is dataset=csv "),
            ("penalty", "penalty is no subcommand; did you mean method=penalty or sweep=penalty?"),
            ("method=pnalty", "method=pnalty is no choice: did you mean method=penalty?"),
            ("train method=pnalty", "method=pnalty is no choice: did you mean method=penalty?"),
            ("train method=penalty method.lam=0.1,1", "fairrun sweep method.lam=0.1,1 trains each (or -m here)"),
            ("train metod=erm", "metod is no key: did you mean method?"),
        ],
        12,
    ),
)
def test_a_mistake_is_one_line(fairrun, command, said):
    status, _, error = fairrun(*command.split())
    lines = [line for line in error.splitlines() if not line.startswith("reading ")]
    assert status in (1, 2) and len(lines) == 1 and said in lines[0]


def test_methods_are_listed_by_whether_they_know_groups(fairrun):
    status, listed, _ = fairrun("list", "methods", "--knows-groups", "no")
    found = {line.split()[0] for line in listed.splitlines()[1:]}
    assert status == 0 and {"erm", "irw"} <= found and not {"penalty", "ltr"} & found


def test_help_without_a_word_names_every_subcommand(fairrun):
    _, said, _ = fairrun("help")
    assert all(f"  {name}" in said and summary(name) for name in names())


def test_the_command_alone_is_its_usage_and_trains_nothing(fairrun, tmp_path):
    assert fairrun() == fairrun("help")
    assert not list(tmp_path.iterdir())


def test_every_way_to_ask_for_the_version_is_answered_with_fairruns(fairrun, tmp_path):
    said = fairrun("version")
    assert said[0] == 0 and said[1].startswith("fairrun ")
    assert fairrun("--version") == fairrun("train", "--version") == said
    assert run_here(tmp_path, "--version").stdout == said[1]


def test_a_subcommand_and_a_key_of_one_name_are_both_told(fairrun):
    _, said, _ = fairrun("help", "report")
    assert "report.columns" in said and "fairrun report --help" in said


def test_the_help_of_a_run_has_comments(fairrun):
    status, said, _ = fairrun("--help", "method=penalty", "method.lam=3")
    (line,) = [line for line in said.splitlines() if line.startswith("  lam: ")]
    assert status == 0 and line.split() == "lam: 3 # weight of the fairness loss, >= 0".split()
    assert fairrun("--help")[1].startswith("usage: fairrun SUBCOMMAND")


@pytest.mark.parametrize(
    "command",
    [
        "version",
        "list methods",
        "help method.lam",
        "help",
        "trian",
        "-sc query=bash",
        "report --help",
        "data",
        "--version",
        "",
    ],
)
def test_what_answers_at_once_imports_nothing_that_takes_long(command):
    code = (
        f"import sys; sys.argv = ['fairrun', *{command.split()}]; from fairrun.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*({'torch', 'pandas', 'hydra', 'omegaconf'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ROOT}, timeout=60
    )
    assert done.stderr.splitlines()[-1] == ""


def test_train_and_sweep_are_the_command_of_runs(fairrun, tmp_path, described):
    assert fairrun("train", *described, "epochs=1", "hydra.run.dir=one")[0] == 0
    assert fairrun("sweep", *described, "epochs=1", "seed=0,1", INLINE, "hydra.sweep.dir=two")[0] == 0
    assert len(records(tmp_path / "one")) == 1 and len(records(tmp_path / "two")) == 2
    status, shown, _ = fairrun("results", "two")
    assert status == 0 and "two: 2 finished" in shown


def test_data_proposes_roles_and_writes_a_file_that_training_finds(fairrun, csv, tmp_path):
    csv.rename(columns={"hired": "outcome", "group": "gender"}).to_csv(tmp_path / "my.csv", index=False)
    status, said, _ = fairrun("data", "my.csv", "dataset.scale=all")
    assert status == 0 and "proposed sensitive: gender" in said and "proposed label: outcome" in said
    assert "fairrun train dataset=csv dataset.path=my.csv dataset.label=outcome dataset.positive=yes" in said
    status, said, _ = fairrun("data", "my.csv", "--label", "outcome", "--sensitive", "gender", "--yaml", "mine")
    assert status == 0 and said.endswith("written: conf/dataset/mine.yaml\nfairrun train dataset=mine\n")
    assert fairrun("data", "mine")[1].splitlines()[1:] == said.splitlines()[2:-3]
    assert any(line.startswith("mine ") for line in fairrun("list", "datasets")[1].splitlines())
    assert "did you mean dataset=mine?" in fairrun("dataset=mina")[2]
    assert fairrun("train", "dataset=mine", "epochs=1", "hydra.run.dir=out")[0] == 0
    assert records(tmp_path / "out")[0]["choices"]["dataset"] == "mine"


def test_data_shows_what_was_read_where_it_cannot_go_on(fairrun, csv, tmp_path):
    csv[["x0", "kind", "hired"]].to_csv(tmp_path / "my.csv", index=False)
    status, said, error = fairrun("data", "my.csv")
    assert status == 1 and "x0      unused  number" in said
    assert error == "no column has the name of a sensitive attribute: choose one by --sensitive COLUMN"


def test_data_shows_how_a_refused_table_was_read(fairrun, csv, tmp_path):
    ages = [*map(str, range(18, 75)), "75+"]
    csv.assign(age=[ages[k % len(ages)] for k in range(len(csv))], gender=csv["group"]).to_csv(
        tmp_path / "my.csv", index=False
    )
    for command in (
        ["my.csv"],
        ["csv", "dataset.path=my.csv", "--label", "hired", "--positive", "yes", "--sensitive", "gender"],
    ):
        status, said, error = fairrun("data", *command)
        assert (
            status == 1 and "age     unused  other" in said and "refused" in said and "x0      unused  number" in said
        )
        assert "got ranges among numbers ('75+'): write a number for each range (75 for '75+')" in error


def test_data_shows_the_columns_of_a_table_that_tells_its_label(fairrun, csv, tmp_path):
    closed = pd.Series(pd.date_range("2020-01-01", periods=len(csv)).astype(str)).where(csv["hired"] == "no")
    csv.assign(letter=csv["hired"].map({"yes": "offer", "no": "regret"}), closed=closed).to_csv(
        tmp_path / "my.csv", index=False
    )
    status, said, error = fairrun("data", "my.csv", "--label", "hired", "--sensitive", "group")
    assert status == 1 and "'closed' has missing cells that determine the label; 'letter' copies the label" in error
    account = {line.split()[0]: line for line in said.splitlines()}
    assert " refused " in account["letter"] and account["letter"].endswith("copies the label")
    assert account["closed"].endswith("has missing cells that determine the label")
    assert " feature " in account["x0"]


@pytest.mark.parametrize(
    "arguments",
    few(
        [
            ["my.csv", "--label", "hired", "--yaml", "dataset.scale=all"],
            ["--label", "hired", "my.csv", "dataset.scale=all", "--yaml"],
            ["--label", "hired", "--yaml", "my.csv", "dataset.scale=all"],
            ["--label", "hired", "dataset.scale=all", "--yaml", "my.csv"],
            ["dataset.scale=all", "my.csv", "--label", "hired", "--yaml", "conf/dataset/my.yaml"],
        ],
        2,
    ),
)
def test_an_override_is_one_wherever_it_stands_behind_yaml(arguments, fairrun, csv, tmp_path):
    csv.rename(columns={"group": "gender"}).to_csv(tmp_path / "my.csv", index=False)
    status, said, error = fairrun("data", *arguments)
    assert status == 0, error
    assert said.endswith("written: conf/dataset/my.yaml\nfairrun train dataset=my\n")
    assert "\nscale: all " in (tmp_path / "conf" / "dataset" / "my.yaml").read_text()


@pytest.mark.slow
def test_data_tells_the_facts_where_its_file_is_there_and_writes_it_anew_by_force(fairrun, csv, tmp_path):
    csv.rename(columns={"group": "gender"}).to_csv(tmp_path / "my.csv", index=False)
    command = ["data", "my.csv", "--label", "hired", "--yaml", "mine"]
    _, first, _ = fairrun(*command)
    status, said, error = fairrun(*command, "dataset.scale=all")
    assert status == 1 and said.splitlines() == first.splitlines()[:-3] and "--force writes this one anew" in error
    file = tmp_path / "conf" / "dataset" / "mine.yaml"
    assert "scale" not in file.read_text()
    status, said, _ = fairrun(*command, "dataset.scale=all", "--force")
    assert status == 0 and said.endswith("written: conf/dataset/mine.yaml\nfairrun train dataset=mine\n")
    assert "\nscale: all " in file.read_text()
    assert (
        "another name than that of the data set mine itself" in fairrun("data", "mine", "--yaml", "mine", "--force")[2]
    )
    assert fairrun("data", "my.csv", "--label", "hired", "--force")[0] == 2


@pytest.mark.slow
def test_marks_of_columns_are_written_and_found_again(fairrun, csv, tmp_path):
    frame = csv.rename(columns={"group": "gender"})
    frame.loc[::20, "x0"] = -999
    frame.to_csv(tmp_path / "my.csv", index=False)
    status, said, _ = fairrun("data", "my.csv", "--label", "hired")
    assert status == 0 and "'+dataset.rows.missing_marks={x0: [-999]}' says so" in said
    remedy = "+dataset.rows.missing_marks={x0: [-999]}"
    assert fairrun("data", "my.csv", "--label", "hired", remedy, "--yaml")[0] == 0
    status, said, _ = fairrun("data", "my")
    assert status == 0 and "missing: '-999.0'" in said and "says so" not in said


def test_every_subcommand_completes_its_words():
    assert all(words([name, "-"]) for name in names())
