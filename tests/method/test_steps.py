"""Gradients of runs."""

import subprocess
import sys


def test_a_gradient_starts_without_sympy():
    code = (
        "import sys, torch; from fairrun.method.steps import gradient\n"
        "found, _ = gradient(lambda theta: (theta['w'] ** 2).sum(1), {'w': torch.ones(3, 2)})\n"
        "print(found['w'].tolist(), 'sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]] False"
