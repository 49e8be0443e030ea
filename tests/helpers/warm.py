"""Import what a command may import, so that ``command.run_warm`` forks processes that are ready to work.

Left out: ``fairrun.train`` and every ``__main__``, which ``python -m`` imports itself, and wandb, which starts threads.
"""

import importlib
import pkgutil

from hydra.core.override_parser.overrides_parser import OverridesParser

import fairrun
import hydra_plugins
from tests.helpers.quick import quicken

LIBRARIES = [  # that functions import, and what figures load when they are drawn
    "sklearn.compose",
    "sklearn.datasets",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "fairlearn.postprocessing",
    "optuna",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "fontTools.subset",
    "narwhals._pandas_like.dataframe",
]

for package in (fairrun, hydra_plugins):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name != "fairrun.train" and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
for library in LIBRARIES:
    importlib.import_module(library)
quicken()
OverridesParser.create().parse_overrides(["+a.b=c", "a={x: [1, 'b']}", "a=1,2", "a=range(3)", "a@b.c=d", "~a"])
