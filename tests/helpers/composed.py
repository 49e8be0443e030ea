"""Commands that are composed, and train nothing."""

import contextlib
import logging
from itertools import chain

from hydra.core.plugins import Plugins
from hydra.types import RunMode

from fairrun.api.session import overrides_of, session, task_of, words
from hydra_plugins.fairrun_compose import Composer


def of_one_seed(arguments):
    """The words of a sweep with the seed 0 alone."""
    return [*(word for word in arguments if not word.startswith("seed=")), "seed=0"]


def jobs_of(context, config):
    """The sweeper of a session, and the words of every job of its sweep."""
    sweeper = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=None, config=config)
    return sweeper, list(chain(*sweeper.batches(overrides_of(config))))


def composed(arguments, *, several):
    """The configurations of a command's runs; None for a search, which finds them as it goes."""
    given = words([a for a in arguments if a != "-m"], {}, several=several)
    with quiet(), session(given, RunMode.MULTIRUN if several else RunMode.RUN) as (context, config):
        if not several:
            return [task_of(config, given)[0]]
        if config.hydra.runtime.choices["hydra/sweeper"] == "search":
            return None
        composer = Composer(context.config_loader, config)
        _, jobs = jobs_of(context, config)
        return [job.resolved for job in composer.all(composer.fit(jobs), 0)]


@contextlib.contextmanager
def quiet():
    """Without the warnings that runs begin with."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
