"""Training that was killed goes on, and ends with the model of one that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from containers import cells, mixed_table

from tabdiff import TableSynthesizer
from tabdiff.errors import InputError, StorageError

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from containers import mixed_table
from tabdiff import TableSynthesizer
model = TableSynthesizer("card", random_state=0, max_steps=400, checkpoint_dir=sys.argv[2],
                         checkpoint_seconds=0.0, resume=True, callbacks=[lambda p: print(p.step, flush=True)])
model.fit(mixed_table(600)).save(sys.argv[3])
"""


def arguments(tmp_path):
    return [sys.executable, "-c", SCRIPT, __file__.rpartition("/")[0], tmp_path / "state", tmp_path / "model"]


@pytest.mark.slow
def test_a_killed_run_ends_as_one_that_was_not(tmp_path):
    for _ in range(3):
        with subprocess.Popen(arguments(tmp_path), stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()  # training is under way
            time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "model").exists()
    subprocess.run(arguments(tmp_path), check=True, stdout=subprocess.DEVNULL, timeout=300)
    resumed = TableSynthesizer.load(tmp_path / "model")
    whole = TableSynthesizer("card", random_state=0, max_steps=400).fit(mixed_table(600))
    assert cells(resumed.sample(50)) == cells(whole.sample(50))
    assert resumed.history_ == whole.history_


class Killed(Exception):
    """The end of a run, from within."""


def kill_at(step):
    def callback(progress):
        if progress.step >= step:
            raise Killed

    return callback


def model(tmp_path, **changes):
    usual = {
        "random_state": 0,
        "max_steps": 40,
        "checkpoint_dir": tmp_path / "state",
        "checkpoint_seconds": 0,
        "resume": True,
    }
    return TableSynthesizer("card", **usual | changes)


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    whole = TableSynthesizer("card", random_state=0, max_steps=40).fit(mixed_table(60))
    with pytest.raises(Killed):
        model(tmp_path, callbacks=[kill_at(20)]).fit(mixed_table(60))
    assert list((tmp_path / "state").iterdir())
    steps = []
    resumed = model(tmp_path, callbacks=[lambda progress: steps.append(progress.step)]).fit(mixed_table(60))
    assert min(steps) > 10
    assert cells(resumed.sample(30)) == cells(whole.sample(30))
    assert not list((tmp_path / "state").iterdir())


@pytest.mark.parametrize(
    "change", [{"max_steps": 50}, {"random_state": 1}, {"guidance_weight": 0.0}], ids=str
)
def test_another_run_does_not_take_the_checkpoint(tmp_path, change):
    with pytest.raises(Killed):
        model(tmp_path, callbacks=[kill_at(20)]).fit(mixed_table(60))
    if "guidance_weight" in change:  # has no part in training: the same run, other data
        with pytest.raises(StorageError, match="state"):
            model(tmp_path).fit(mixed_table(61))
    else:
        with pytest.raises(StorageError, match="state"):
            model(tmp_path, **change).fit(mixed_table(60))


def test_going_on_needs_a_place_and_a_seed(tmp_path):
    with pytest.raises(InputError, match="checkpoint_dir"):
        model(tmp_path, checkpoint_dir=None).fit(mixed_table())
    with pytest.raises(InputError, match="random_state"):
        model(tmp_path, random_state=None).fit(mixed_table())


def test_a_callback_can_end_training():
    told = []

    def stop(progress):
        told.append(progress)
        return len(told) == 2

    fitted = TableSynthesizer(random_state=0, max_steps=400, callbacks=[stop]).fit(mixed_table())
    assert fitted.history_.stopped_by == "callback"
    assert fitted.history_.n_steps == told[-1].step < 400
    frame = fitted.history_.to_frame()
    assert frame["step"].tolist() == [one.step for one in told]
    assert frame["loss"].tolist() == [one.loss for one in told]
