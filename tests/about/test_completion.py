"""Completion in the shell."""

import os
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
        ("fairrun rep", ["report", "report."]),
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
    assert completion.answer(["-sc", "install=fish"], words) is None


def test_bash_completes_both_spellings(tmp_path):
    """By the function that bash calls, with words split as bash splits them."""
    command = tmp_path / "fairrun"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m fairrun "$@"\n')
    command.chmod(0o755)
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
    python = os.path.dirname(sys.executable)
    variables = os.environ | {"PATH": f"{tmp_path}:{python}:{os.environ['PATH']}", "PYTHONPATH": ROOT}
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [
        "complete -o default -F _fairrun_completion fairrun",
        *("irw/digits", "irw/digits", "methods metrics"),
    ]
