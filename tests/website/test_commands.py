"""The commands that pages show are commands.  CONTRIBUTING.md says which blocks are tested, and how far."""

import re
import tomllib
from pathlib import Path

import pytest

from fairrun.cli.main import is_word, names, subcommand
from fairrun.config.check import InputError
from fairrun.runs.checks.alone import check
from tests.helpers.command import INLINE, run_warm
from tests.helpers.composed import composed
from tests.helpers.here import run_here
from tests.helpers.pages import PAGES, ROOT, blocks, commands, name
from tests.helpers.quick import few

FIRST = [
    ROOT / "README.md",
    *(ROOT / "docs" / "tutorials" / f"{page}.md" for page in ("own-table", "reproduce-a-paper")),
]
MOST_RUNS = 8  # a command of more, with one seed, is composed alone
AT_ONCE = ("check", "data", "help", "list", "new", "version")  # subcommands that are carried out
TRAINED = ROOT / "README.md"  # by tests/cli/test_readme.py
OTHERS = {  # programs that are not ours
    *(
        "cat",
        "cd",
        "dask",
        "eval",
        "export",
        "git",
        "ls",
        "mkdir",
        "pip",
        "pytest",
        "ray",
        "sbatch",
        "source",
        "squeue",
    ),
    *("tensorboard", "wandb"),
}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what pages take for granted: a table of loans."""
    rows = [
        f"{'fm'[k % 2]},{20 + k % 50},{1000 + 37 * k % 900},town {k % 3},{'yes' if k % 3 > k % 2 else 'no'}"
        for k in range(300)
    ]
    (tmp_path / "loans.csv").write_text("\n".join(["gender,age,income,town,repaid", *rows, ""]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("trained", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["composed", "trained"])
@pytest.mark.parametrize("page", few(PAGES, FIRST), ids=name)
def test_the_commands_of_a_page(page, trained, folder):
    """In the order of the page, in one folder."""
    for block in blocks(page):
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text)
        for command in commands(block.text) if block.language in ("console", "sh") else ():
            try_out(folder, command, runs=trained and block.language == "console" and page != TRAINED)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_of_a_page_is_python(page):
    for block in blocks(page):
        if block.language in ("python", "py"):
            compile(block.text, name(page), "exec")


@pytest.mark.parametrize(
    ("line", "said"),
    few(
        [
            ("fairrun train metod=erm", "metod"),
            ("fairrun sweep method=erm,pnalty", "pnalty"),
            ("fairrun sweep method=penalty method.lam=1,-1", "method.lam"),
            ("fairrun sweep benchmark=quickstrt", "quickstrt"),
            ("python -m fairrun.train -m method=penalty method.lamm=1,2", "method.lamm"),
            ("fairrun trian", "trian"),
            ("fairrun report outputs --bond 0.1", "--bond"),
            ("scripts/quickstrat", "quickstrat"),
            ("pip install 'fairrun[weights]'", "weights"),
            ("fairrn train", "fairrn"),
            ("fairrun help method.lamm", "method.lamm"),
        ],
        5,
    ),
)
def test_a_wrong_command_is_found(line, said, folder):
    (command,) = commands(line)
    with pytest.raises((AssertionError, InputError), match=re.escape(said)):
        try_out(folder, command, runs=True)


def test_a_command_goes_over_lines_and_has_comments():
    text = "fairrun sweep method=erm \\\n  'seed=range(3)'  # three runs\n\ncd a && ls\n"
    assert list(commands(text)) == [["fairrun", "sweep", "method=erm", "seed=range(3)"], ["cd", "a"], ["ls"]]


def try_out(folder, command, *, runs):
    """Carry out a command that takes no time; compose others, and where ``runs`` train those of few runs."""
    program, *arguments = command
    if program.startswith("scripts/"):
        assert (ROOT / program).exists(), program
    elif program == "pip":
        assert set(re.findall(r"fairrun\[(\w+)\]", " ".join(arguments))) <= EXTRAS.keys(), command
    elif program == "fairrun" and arguments and is_word(arguments[0]):
        of_subcommand(folder, *arguments, runs=runs)
    elif program == "fairrun" or command[:3] == ["python", "-m", "fairrun.train"]:
        trains(folder, arguments if program == "fairrun" else arguments[2:], runs=runs)
    elif "=" in program:  # keys alone
        trains(folder, command, runs=runs)
    else:
        assert program in OTHERS, command


def of_subcommand(folder, subject, *arguments, runs):
    assert subject in names(), subject
    if subject in ("train", "sweep"):
        trains(folder, [*(["-m"] if subject == "sweep" else []), *arguments], runs=runs)
    elif subject in AT_ONCE:
        done = run_here(folder, subject, *arguments, module="fairrun")
        assert done.returncode == 0, done.stderr
    else:
        known = {word.partition("=")[0] for n in (1, 2) for word in subcommand(subject).words([""] * n)}
        given = {word.partition("=")[0] for word in arguments if word.startswith("--") or "=" in word}
        assert given <= known, f"{sorted(given - known)} of fairrun {subject}"


def trains(folder, arguments, *, runs):
    """Compose a command's runs of one seed; where ``runs``, check their values, and train few of them for one epoch."""
    arguments = [a.replace("[mypkg]", "[tests]").replace("mypkg.Net", "tests.helpers.modules.Net") for a in arguments]
    several = "-m" in arguments
    short = [re.sub(r"seed=range\(\d+\)", "seed=0", a) for a in arguments]
    found = composed(short, several=several)
    if runs:
        for values in found or ():
            check(values, here=False, single=not several)
        path = next((a.partition("=")[2] for a in arguments if a.startswith("dataset.path=")), ".")
        if found and len(found) <= MOST_RUNS and Path(path).exists():
            start = run_warm if "tracker=wandb" in short else run_here  # wandb starts threads
            more = ["epochs=1", *([INLINE] if several else [])]
            done = start(folder, *short, *more, WANDB_SILENT="true", HOME=str(folder))
            assert done.returncode == 0, done.stderr
