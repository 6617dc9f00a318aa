"""Runs that are killed and go on, against runs that are not; and what is read back from damaged files."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import generator
from torch import nn

from tabdiff.batch import MixedBatch
from tabdiff.checkpoints import NAMES, TEMPORARY, Checkpoint, fingerprint
from tabdiff.errors import StorageError
from tabdiff.memorisation import Brake, BrakeConfig
from tabdiff.training import TrainingConfig, TrainingData, train


class Killed(Exception):
    """Stands for whatever ends a process."""


def network(width=8):
    model = nn.Sequential(nn.Linear(3, width), nn.SiLU(), nn.Linear(width, 1))
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator(i)) / 2)
    return model


def noisy_loss(model, rows, label, draws):
    noise = torch.rand(rows.num.shape, generator=draws)
    return (model(rows.num + noise)[:, 0] - rows.num.sum(-1)) ** 2


def rows_of(n, seed):
    num = torch.randn(n, 3, generator=generator(seed))
    return TrainingData(MixedBatch(num, torch.zeros(n, 0, dtype=torch.long)))


def brake():
    """A brake that takes the first three rises in a row for memorisation."""
    rows, member = rows_of(60, 3), torch.arange(60) < 40

    def losses(model, data):
        return noisy_loss(model, data.rows, None, generator(9))

    return Brake(BrakeConfig(z=0.0, margin=0.0, patience=3), losses, rows, member)


CONFIG = TrainingConfig(
    max_steps=45, batch_size=16, shards=2, evaluate_every=5, patience=0, warmup_steps=4, amp=False
)
CASES = {
    "to the last step": CONFIG,
    "patience": replace(CONFIG, max_steps=400, patience=3, tolerance=0.0, learning_rate=0.05),
    "brake": replace(CONFIG, max_steps=400, learning_rate=0.05),
}
STOPPED_BY = {"to the last step": "steps", "patience": "held-out loss", "brake": "memorisation"}


def run(case="to the last step", checkpoint=None, on_step=None, **changes):
    """Train with all that has a state: shards, copies, held-out rows, and a brake where that is the case."""
    data = replace(rows_of(50, 1), copies=torch.linspace(0.5, 2.7, 50))
    watchers = [brake()] if case == "brake" else []
    config = replace(CASES[case], **changes)
    return train(
        network(), noisy_loss, data, config, generator(5), rows_of(30, 2), on_step, watchers, checkpoint
    )


def fingerprint_of(result):
    model, history = result
    return fingerprint(model.state_dict(), replace(history, seconds=0.0, elapsed=[]))


def killed_at(*steps):
    def on_step(step, history):
        if step in steps:
            raise Killed

    return on_step


def interrupted(directory, step, case="to the last step", resume=True, **timing):
    with pytest.raises(Killed):
        run(case, Checkpoint(directory, "run", resume=resume, **(timing or {"steps": 4})), killed_at(step))


# --- the same bits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(case, tmp_path):
    whole = run(case)
    assert whole[1].stopped_by == STOPPED_BY[case]
    assert 25 < whole[1].n_steps < 400
    for step in (3, 6, 7, 8, 14, 15, 20, 25):
        interrupted(tmp_path, step, case)
    model, history = run(case, Checkpoint(tmp_path, "run", resume=True))
    assert history == whole[1]
    assert fingerprint_of((model, history)) == fingerprint_of(whole)


def test_it_can_go_on_from_every_step(tmp_path):
    whole = fingerprint_of(run(max_steps=20))
    for step in range(1, 20):
        with pytest.raises(Killed):
            run(
                checkpoint=Checkpoint(tmp_path, "run", steps=1, resume=True),
                on_step=killed_at(step + 1),
                max_steps=20,
            )
        copy = Checkpoint(tmp_path, "run", resume=True)
        copy.remove = lambda: None  # leave it for the next step
        assert fingerprint_of(run(checkpoint=copy, max_steps=20)) == whole


def test_steps_before_the_checkpoint_are_not_taken_again(tmp_path):
    interrupted(tmp_path, 15)
    steps = []
    run(checkpoint=Checkpoint(tmp_path, "run", resume=True), on_step=lambda step, _: steps.append(step))
    assert steps == list(range(13, 46))


def killed_at_any_moment(directory, seed):
    """Start the run in processes that are killed after random times, most of them while they write."""
    moments, n_killed = random.Random(seed), 0
    while True:
        child = os.fork()
        if not child:
            torch.set_num_threads(2)
            result = run("brake", Checkpoint(directory, "run", steps=1, resume=True))
            Path(directory, "result").write_text(fingerprint_of(result), encoding="utf-8")
            os._exit(0)
        if n_killed < 10:
            time.sleep(moments.uniform(0.01, 0.12))
            os.kill(child, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return n_killed
        n_killed += 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
def test_a_process_that_is_killed_at_any_moment_ends_with_the_same_bytes(tmp_path):
    code = f"import test_checkpoints as t; print(t.killed_at_any_moment({str(tmp_path)!r}, 0))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3
    assert (tmp_path / "result").read_text(encoding="utf-8") == fingerprint_of(run("brake"))
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


# --- times ------------------------------------------------------------------------------------------------


def test_the_budget_counts_the_seconds_before_the_kill(tmp_path):
    limits = {"max_steps": 10**6, "max_seconds": 0.8}

    def kill_after_a_while(step, history):
        if history.seconds > 0.5:
            raise Killed

    with pytest.raises(Killed):
        run(checkpoint=Checkpoint(tmp_path, "run", steps=1), on_step=kill_after_a_while, **limits)
    began = time.perf_counter()
    _, history = run(checkpoint=Checkpoint(tmp_path, "run", resume=True), **limits)
    assert history.stopped_by == "seconds"
    assert history.seconds >= 0.8
    assert time.perf_counter() - began < 0.7
    assert sorted(history.elapsed) == history.elapsed


def test_a_checkpoint_is_due_after_its_steps_and_seconds(tmp_path):
    by_steps = Checkpoint(tmp_path, "run", steps=3)
    assert [step for step in range(1, 10) if by_steps.due(step)] == [3, 6, 9]
    by_time = Checkpoint(tmp_path, "run", seconds=0.05)
    assert not by_time.due(1)
    time.sleep(0.06)
    assert by_time.due(1)


def test_writing_takes_no_more_than_a_fiftieth_of_the_time(tmp_path):
    state = {"weights": torch.zeros(500_000)}
    checkpoint = Checkpoint(tmp_path, "run", seconds=0.0)
    began = time.monotonic()
    checkpoint.write(state)
    cost = time.monotonic() - began
    while not checkpoint.due(1):
        time.sleep(cost / 10)
    assert time.monotonic() - began >= 50 * cost * 0.9


# --- what is read back ------------------------------------------------------------------------------------


def damage(path, how):
    content = path.read_bytes()
    if how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        place = len(content) - 40  # in the tensors
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


def newest(directory):
    return max((directory / name for name in NAMES), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("how", ["cut short", "empty", "one bit"])
def test_the_one_before_is_taken_if_the_last_is_damaged(how, tmp_path):
    interrupted(tmp_path, 15)  # states after steps 8 and 12
    damage(newest(tmp_path), how)
    steps = []
    result = run(
        checkpoint=Checkpoint(tmp_path, "run", resume=True), on_step=lambda step, _: steps.append(step)
    )
    assert steps[0] == 9
    assert fingerprint_of(result) == fingerprint_of(run())


@pytest.mark.parametrize("how", ["cut short", "empty", "one bit"])
def test_if_both_are_damaged_it_says_so(how, tmp_path):
    interrupted(tmp_path, 15)
    for name in NAMES:
        damage(tmp_path / name, how)
    with pytest.raises(StorageError, match=r"no checkpoint in .* can be read .*resume=False"):
        run(checkpoint=Checkpoint(tmp_path, "run", resume=True))


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    interrupted(tmp_path, 15)
    with pytest.raises(StorageError, match=r"of another run.*'run', this run's 'other'"):
        run(checkpoint=Checkpoint(tmp_path, "other", resume=True))


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    interrupted(tmp_path, 15)
    with pytest.raises(StorageError, match="does not fit this run"):
        train(
            network(9),
            noisy_loss,
            rows_of(50, 1),
            CONFIG,
            generator(),
            checkpoint=Checkpoint(tmp_path, "run", resume=True),
        )


def test_a_file_of_another_kind_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / NAMES[0], {"format": "pt"})
    with pytest.raises(StorageError, match="format is 'pt'"):
        Checkpoint(tmp_path, "run", resume=True).begin()


def test_with_nothing_to_go_on_from_it_begins_anew(tmp_path):
    result = run(checkpoint=Checkpoint(tmp_path / "new" / "place", "run", resume=True))
    assert fingerprint_of(result) == fingerprint_of(run())


def test_without_resume_an_older_state_is_replaced_at_the_first_writing(tmp_path):
    interrupted(tmp_path, 40)
    interrupted(tmp_path, 3, resume=False)
    assert all((tmp_path / name).exists() for name in NAMES)
    interrupted(tmp_path, 5, resume=False)
    steps = []
    run(checkpoint=Checkpoint(tmp_path, "run", resume=True), on_step=lambda step, _: steps.append(step))
    assert steps[0] == 5


def test_nothing_is_left_when_training_ends(tmp_path):
    (tmp_path / TEMPORARY).write_bytes(b"half of it")
    run(checkpoint=Checkpoint(tmp_path, "run", steps=4, resume=True))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot make the directory"):
        run(checkpoint=Checkpoint(tmp_path / "file" / "inside", "run"))
    checkpoint = Checkpoint(tmp_path / "gone", "run", steps=4)

    def remove(step, history):
        if step == 2:
            checkpoint.directory.rmdir()

    with pytest.raises(StorageError, match="cannot write the checkpoint"):
        run(checkpoint=checkpoint, on_step=remove)


def test_no_row_is_in_the_file(tmp_path):
    interrupted(tmp_path, 30, "brake")
    content = newest(tmp_path).read_bytes()
    assert len(content) > 1000
    for rows in (rows_of(50, 1), rows_of(30, 2), rows_of(60, 3)):
        for number in rows.rows.num.flatten():
            assert number.numpy().tobytes() not in content


def test_any_state_comes_back(tmp_path):
    state = {
        "a.b/c": torch.arange(6.0).reshape(2, 3).T,
        "empty": torch.zeros(0, 2, dtype=torch.long),
        "scalar": torch.tensor(3, dtype=torch.int16),
        "half": torch.tensor([1.5, -0.0], dtype=torch.bfloat16),
        "flags": [torch.tensor([True, False]), None, {"x": torch.tensor([1 << 62])}],
        "twice": {"one": (shared := torch.ones(3)), "other": shared[:2]},
        "plain": {"inf": float("inf"), "tenth": 0.1, "text": "ä\n", "yes": True, "none": None, "list": []},
    }
    Checkpoint(tmp_path, "run").write(state)
    back = Checkpoint(tmp_path, "run", resume=True).begin()

    def listed(tree):
        if isinstance(tree, torch.Tensor):
            return [str(tree.dtype), tree.tolist()]
        if isinstance(tree, dict):
            return {key: listed(value) for key, value in tree.items()}
        return [listed(value) for value in tree] if isinstance(tree, list) else tree

    assert listed(back) == listed(state)


# --- fingerprints -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    size: int
    method: object


def test_a_fingerprint_tells_any_difference():
    seeds = np.random.SeedSequence(3).spawn(2)
    parts = [
        [torch.zeros(4)],
        [torch.zeros(2, 2)],
        [torch.zeros(4, dtype=torch.int32)],
        [torch.zeros(2), torch.zeros(2)],
        [1],
        [1.0],
        [True],
        ["1"],
        [None],
        ["ab", "c"],
        ["a", "bc"],
        [["a", "bc"]],
        [{"a": "bc"}],
        [Settings(1, generator)],
        [Settings(1, rows_of)],
        [Settings(2, generator)],
        [seeds[0]],
        [seeds[1]],
    ]
    assert len({fingerprint(*part) for part in parts}) == len(parts)


def test_a_fingerprint_is_of_values_alone():
    transposed = torch.arange(6.0).reshape(2, 3).T
    assert fingerprint(transposed) == fingerprint(transposed.contiguous()) == fingerprint(transposed.numpy())
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    seed, same = np.random.SeedSequence(3), np.random.SeedSequence(3)
    seed.spawn(2)
    assert fingerprint(seed) == fingerprint(same)
