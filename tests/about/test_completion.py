"""Completion in the shell."""

import os
import shutil
import subprocess
import sys

import pytest

from fairrun.about import completion
from fairrun.cli.main import words
from tests.helpers.command import ROOT


def completed(monkeypatch, line, of=words):
    monkeypatch.setenv("COMP_LINE", line)
    return completion.answer(["-sc", "query=bash"], of).split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("fairrun rep", ["report", "reproduce", "report."]),
        ("fairrun train method=pen", ["method=penalty"]),
        ("fairrun method=erm,pen", ["method=erm,penalty"]),
        ("fairrun sweep method=penalty method.l", ["method.lam=", "method.logged_loss="]),
        ("fairrun train experiment=irw/d", ["experiment=irw/digits"]),
        ("fairrun train method=irw method.layers=", ["method.layers=last", "method.layers=all"]),
        ("fairrun train dataset.include_sensitive=t", ["dataset.include_sensitive=true"]),
        ("fairrun train optimizer@method.optimizer=s", ["optimizer@method.optimizer=sgd"]),
        ("fairrun train +dataset.inc", ["+dataset.include_sensitive="]),
        ("fairrun list me", ["methods", "metrics"]),
        ("fairrun list methods --knows-groups n", ["no"]),
        ("fairrun help method.la", ["method.lam", "method.layers"]),
        ("fairrun report --colu", ["--columns"]),
        ("python -m fairrun li", ["list"]),
        ("fairrun report out", []),
    ],
)
def test_a_word_is_completed(monkeypatch, line, found):
    assert completed(monkeypatch, line) == found


def test_the_command_of_a_run_has_no_subcommands(monkeypatch):
    assert completed(monkeypatch, "python -m fairrun.train tra", completion.overrides) == ["tracker=", "tracker."]


def test_what_is_no_question_of_a_shell_is_not_answered():
    assert completion.answer(["method=penalty"], words) is None
    assert completion.answer(["-sc", "install=tcsh"], words) is None


@pytest.fixture
def shell(tmp_path):
    """``shell(NAME, script)`` -> the lines that a shell with the command fairrun prints; skips where there is none."""
    command = tmp_path / "fairrun"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m fairrun "$@"\n')
    command.chmod(0o755)

    def run(name, script):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
        options = {"bash": [], "zsh": ["-f"], "fish": ["--no-config"]}[name]
        python = os.path.dirname(sys.executable)
        variables = os.environ | {"PATH": f"{tmp_path}:{python}:{os.environ['PATH']}", "PYTHONPATH": ROOT}
        call = [name, *options, "-c", script]
        done = subprocess.run(call, env=variables, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("bash", "complete -o default -F _fairrun_completion fairrun python python3"),
        ("zsh", "compdef _fairrun_completion fairrun python python3"),
        ("fish", "complete -c fairrun -f -a '(__fairrun_completion)'"),
    ],
)
def test_each_shell_is_given_its_own_script(name, line):
    script = completion.answer(["-sc", f"install={name}"], words).splitlines()
    assert line in script and f"fairrun -sc install={name}" in script[0]


def test_zsh_completes_both_spellings(shell):
    """By the function that zsh calls, where compdef and compadd print what they are given."""
    script = """
        typeset -A _comps; compdef() { print $@ }; compadd() { print -r -- $@[-1] }
        eval "$(fairrun -sc install=zsh)"
        words=(fairrun train experiment=irw/d) CURRENT=3 PREFIX=experiment=irw/d; _fairrun_completion
        words=(python -m fairrun.train method=penalty method.lo) CURRENT=5 PREFIX=method.lo; _fairrun_completion
        words=(python -m json.tool a) CURRENT=4 PREFIX=a; _files() { print files }; _fairrun_completion
    """
    said = ["_fairrun_completion fairrun python python3", "--", "experiment=irw/digits"]
    assert shell("zsh", script) == [*said, "method.logged_loss=", "--", "files"]


def test_fish_completes_both_spellings(shell):
    script = """
        fairrun -sc install=fish | source
        complete -C "fairrun train experiment=irw/d"
        complete -C "python -m fairrun.train experiment=irw/d"
        complete -C "fairrun list me"
    """
    assert shell("fish", script) == ["experiment=irw/digits", "experiment=irw/digits", "methods", "metrics"]


def test_bash_completes_both_spellings(shell):
    """By the function that bash calls, with words split as bash splits them."""
    script = """
        eval "$(fairrun -sc install=bash)"
        complete -p fairrun
        COMP_WORDS=(fairrun train experiment = irw/d) COMP_CWORD=4 COMP_LINE="fairrun train experiment=irw/d"
        COMP_POINT=${#COMP_LINE}; _fairrun_completion; echo "${COMPREPLY[@]}"
        COMPREPLY=() COMP_WORDS=(python -m fairrun.train experiment = irw/d) COMP_CWORD=5
        COMP_LINE="python -m fairrun.train experiment=irw/d"; COMP_POINT=${#COMP_LINE}
        _fairrun_completion; echo "${COMPREPLY[@]}"
        COMPREPLY=() COMP_WORDS=(fairrun list me) COMP_CWORD=2 COMP_LINE="fairrun list me" COMP_POINT=15
        _fairrun_completion; echo "${COMPREPLY[@]}"
    """
    assert shell("bash", script) == [
        "complete -o default -F _fairrun_completion fairrun",
        *("irw/digits", "irw/digits", "methods metrics"),
    ]
