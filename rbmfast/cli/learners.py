"""The kinds of models that ``rbmfast train`` learns: one line for each in `LEARNERS`."""

from __future__ import annotations

from rbmfast.cli.class_learner import ClassLearner
from rbmfast.cli.deep_learner import DeepLearner
from rbmfast.cli.learner import Learner

LEARNERS: dict[str, type[Learner]] = {"rbm": Learner, "class-rbm": ClassLearner, "dbn": DeepLearner}
