"""What a teacher says in the place of rows drawn from it: by hand, and who agrees with it is left alone."""

from dataclasses import replace

import pytest
import torch
from oracles import Constant, Counting, generator

from tabdiff.batch import MixedBatch
from tabdiff.diffusion.conditions import ConditionalLoss
from tabdiff.diffusion.distillation import Teacher
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.diffusion.objectives import CrossEntropyObjective
from tabdiff.methods import FewStep, TabDDPM
from tabdiff.nets.mlp import MLPConfig, MLPDenoiser
from tabdiff.synthesis import Warm

LEVELS = [2, 3]  # buckets of 2 and of 3 levels
SAYS = torch.tensor([0.5, -0.5]), torch.tensor([0.0, 1.0, 2.0, 0.0, -1.0])
STUDENT = torch.tensor([0.1, 0.2]), torch.tensor([1.0, 0.0, 0.0, 3.0, 1.0])


def batch(n_rows=2):
    cat = torch.stack([torch.arange(n_rows) % 2, torch.arange(n_rows) % 3], 1)
    return MixedBatch(torch.arange(2.0 * n_rows).reshape(n_rows, 2) / n_rows, cat)


def teacher(knows, n_levels):
    return Teacher(Constant(*SAYS), torch.tensor(knows), torch.tensor(n_levels))


def entropy_between(teacher_logits, student_logits):
    p = torch.softmax(teacher_logits, -1)
    return -(p * torch.log_softmax(student_logits, -1)).sum().item()


def losses(taught, knows=(True, True), n_levels=(2, 3)):
    """The loss of each row by the objective, and the terms of which its cells are made up."""
    process = MixedProcess(2, LevelLayout(LEVELS))
    student = Counting(Constant(*STUDENT))
    objective = CrossEntropyObjective(process, torch.ones(2))
    rows, taught = batch(), torch.tensor(taught)
    lesson = teacher(list(knows), list(n_levels)).of(taught)
    loss = objective(student, rows, None, generator(), None, lesson)
    (num, _, t, _) = student.asked[0]
    ab = process.num_schedule.alpha_bar(t).float()[:, None]
    velocity = (ab.sqrt() * num - rows.num) / (1 - ab).sqrt()
    return loss.tolist(), velocity


def test_a_row_of_the_lesson_is_learned_by_what_the_teacher_says():
    loss, velocity = losses([True, False])
    taught = ((STUDENT[0] - SAYS[0]) ** 2).sum().item()
    taught += entropy_between(SAYS[1][:2], STUDENT[1][:2]) + entropy_between(SAYS[1][2:], STUDENT[1][2:])
    plain = ((STUDENT[0] - velocity[1]) ** 2).sum().item()
    plain -= torch.log_softmax(STUDENT[1][:2], -1)[1].item() + torch.log_softmax(STUDENT[1][2:], -1)[1].item()
    assert loss == pytest.approx([taught / 4, plain / 4], rel=1e-5)


def test_what_the_teacher_has_not_learned_is_learned_from_the_row():
    loss, velocity = losses([True, False], knows=(False, True), n_levels=(0, 2))
    first = ((STUDENT[0] - velocity[0])[0] ** 2 + (STUDENT[0] - SAYS[0])[1] ** 2).item()
    first -= torch.log_softmax(STUDENT[1][:2], -1)[0].item()  # unknown feature: the row's own level
    p = torch.softmax(SAYS[1][2:4], -1)  # a level behind the known ones has no share
    first -= (p * torch.log_softmax(STUDENT[1][2:], -1)[:2]).sum().item()
    assert loss[0] == pytest.approx(first / 4, rel=1e-5)


@pytest.mark.parametrize("method", [FewStep(), TabDDPM()], ids=["few-step", "tabddpm"])
def test_a_student_that_agrees_with_its_teacher_is_left_alone(method):
    torch.manual_seed(0)
    layout = LevelLayout([])
    process = method.process(2, layout)
    network = MLPDenoiser(2, layout, 0, MLPConfig(width=16, n_blocks=1))
    torch.nn.init.normal_(network.head.weight)
    wise = Teacher(network, torch.ones(2, dtype=torch.bool), torch.zeros(0, dtype=torch.long))
    loss = ConditionalLoss(method.objective(process, torch.zeros(0)), known_share=0.5, teacher=wise)
    rows = MixedBatch(torch.randn(8, 2), torch.zeros(8, 0, dtype=torch.long))
    taught = torch.tensor([True, False] * 4)
    values = loss(network, rows, None, generator(), taught)
    assert torch.equal(values == 0, taught)
    assert (loss(network, rows, None, generator()) > 0).all()  # without a lesson


def test_levels_are_left_alone_too():
    torch.manual_seed(0)
    layout = LevelLayout(LEVELS)
    network = MLPDenoiser(2, layout, 0, MLPConfig(width=16, n_blocks=1))
    torch.nn.init.normal_(network.head.weight)
    wise = Teacher(network, torch.ones(2, dtype=torch.bool), torch.tensor(LEVELS))
    objective = CrossEntropyObjective(MixedProcess(2, layout), torch.ones(2))
    rows = batch(6)
    value = objective(network, rows, None, generator(), None, wise.of(torch.ones(6, dtype=torch.bool)))
    gradients = torch.autograd.grad(value.sum(), list(network.parameters()), materialize_grads=True)
    assert max(gradient.abs().max().item() for gradient in gradients) < 1e-6


def test_a_network_to_which_the_rows_mean_something_else_does_not_teach():
    network = MLPDenoiser(2, LevelLayout(LEVELS), 0, MLPConfig(width=16, n_blocks=1))
    warm = Warm(network, [0, 1], [0, 1], n_replayed=4)
    teacher = warm.teacher(network)
    assert teacher is not None and teacher.knows.all() and teacher.n_levels.tolist() == LEVELS
    assert replace(warm, teaches=False).teacher(network) is None
