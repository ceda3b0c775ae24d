"""The callback for Weights & Biases in docs/training.md, with a stub of the module's interface."""

import sys
from types import SimpleNamespace

import pytest
from kit.documented import CHECKOUT, blocks


class Run:
    """What `wandb.init` returns; a step that is smaller than the last one is refused, as W&B ignores it."""

    def __init__(self):
        self.rows, self.finished = [], False

    def log(self, data, step):
        assert not self.finished
        assert not self.rows or step > self.rows[-1][0]
        self.rows.append((step, data))

    def finish(self):
        self.finished = True


@pytest.mark.compiled
def test_each_epoch_is_a_row_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    began = []

    def init(*, project, mode, config):
        began.append((project, mode, config, Run()))
        return began[-1][-1]

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    page = blocks(CHECKOUT / "docs" / "training.md")
    (callback,) = (block for block in page if block.marks.get("needs") == "wandb")
    namespace = {"__name__": "page"}
    exec(page[0].runs_as, namespace)
    exec(callback.code, namespace)

    ((project, mode, config, run),) = began
    assert (project, mode, config) == ("first-steps", "offline", {"width": 64, "activation": "relu"})
    assert run.finished and [step for step, _ in run.rows] == [10, 20, 30]
    losses = [data["loss"] for _, data in run.rows]
    assert all(isinstance(loss, float) for loss in losses) and losses[-1] < losses[0]
