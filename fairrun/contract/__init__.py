"""The rules that every method and every network must keep, as functions that raise what is wrong.

``check(rule, subject)`` carries one out; ``rules_of(subject)`` names those for a method, or a network.  The first
sentence of a rule's docstring says what must be; CONTRIBUTING.md lists them.
"""

from fairrun.contract.rules import METHOD, NETWORK, Rule, check, rules_of, sentence
from fairrun.contract.subject import Broken, Exempt, Subject

__all__ = ["METHOD", "NETWORK", "Broken", "Exempt", "Rule", "Subject", "check", "rules_of", "sentence"]
