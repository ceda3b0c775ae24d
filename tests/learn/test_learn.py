"""Exercises: solutions are right, mistakes are found, and files are checked."""

import inspect
import re

import numpy as np
import pytest

from minidnn import learn, reference
from minidnn.cli import main
from minidnn.learn.kernels_table import SETTINGS
from minidnn.optimizers import UPDATES
from minidnn.reference import activations

ALL = {exercise.name: exercise for exercise in learn.exercises()}
MISTAKES = [(exercise.name, label) for exercise in learn.exercises() for label in exercise.mistakes]


def functions(name, source):
    return ALL[name].run(source)


@pytest.mark.parametrize("name", ALL)
def test_the_solution_is_right(name):
    verdict = learn.judge(ALL[name], functions(name, ALL[name].solution))
    assert verdict.state == "right" and verdict.compared >= 18


@pytest.mark.parametrize(("name", "label"), MISTAKES)
def test_a_mistake_is_found_and_named(name, label):
    verdict = learn.judge(ALL[name], functions(name, ALL[name].mistakes[label]))
    assert verdict.state == "wrong" and verdict.mistake == label


@pytest.mark.parametrize("name", ALL)
def test_a_new_file_is_unwritten_and_a_solution_passes(name, tmp_path):
    exercise, path = ALL[name], tmp_path / "mine.py"
    path.write_text(exercise.file())
    compile(exercise.file(), "mine.py", "exec")
    assert learn.check(exercise, path).state == "unwritten"
    path.write_text(f"import math\n{exercise.imports}\n{exercise.solution}\n")
    assert learn.check(exercise, path).passed
    assert exercise.hint and exercise.level in learn.LEVELS and exercise.solution not in exercise.file()


def test_every_update_and_every_activation_has_an_exercise():
    steps = set(UPDATES)
    assert steps <= set(ALL)
    activation_names = {name for name in reference.__all__ if f"{name}_backward" in vars(activations)} - {"prelu"}
    assert activation_names <= set(ALL)
    used = {
        p.name
        for name in steps
        for p in inspect.signature(getattr(reference, f"{name}_step")).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    assert used - {"step"} <= set(SETTINGS), "give the new hyperparameter two values"


def test_exercises_are_sorted_by_difficulty():
    levels = [exercise.level for exercise in learn.exercises()]
    assert levels == sorted(levels)


def test_the_first_difference_is_reported():
    wrong = """def momentum_step(param, grad, velocity, *, lr, momentum):
    velocity[...] = momentum * velocity + grad
    if velocity[1] != grad[1]:
        velocity[5] += 1
    param -= lr * velocity
"""
    message = learn.judge(ALL["momentum"], functions("momentum", wrong)).message
    assert "momentum_step, lr=0.1 momentum=0.9, step 2: velocity" in message and "in element 5" in message


def test_a_changed_gradient_is_reported():
    wrong = "def sgd_step(param, grad, *, lr):\n    grad *= lr\n    param -= grad\n"
    assert "grad, which must not be changed" in learn.judge(ALL["sgd"], functions("sgd", wrong)).message


def test_another_order_of_operations_is_close():
    other = """def adam_step(param, grad, m, v, *, lr, beta1, beta2, eps, step):
    m[...] = beta1 * m + (1 - beta1) * grad
    v[...] = beta2 * v + (1 - beta2) * grad**2
    param -= lr * (m / (1 - beta1**step)) / (np.sqrt(v / (1 - beta2**step)) + eps)
"""
    verdict = learn.judge(ALL["adam"], functions("adam", other))
    assert verdict.state == "close" and verdict.passed and "apart from rounding" in verdict.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", "elu, alpha=0.7: y is None, must be an array"),
        ("return x[:3]", r"has shape \(3,\), must have \(66,\)"),
        ("return x.astype(np.float64)", "is float64, must be float32"),
        ("return undefined", r"NameError: .*undefined.*line 3 of mine.py"),
    ],
)
def test_faults_of_a_file(body, message, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"import numpy as np\ndef elu(x, alpha):\n    {body}\ndef elu_backward(dy, y, alpha):\n    pass\n")
    verdict = learn.check(ALL["elu"], path)
    assert not verdict.passed
    assert re.search(message, verdict.message)


def test_files_that_define_nothing_or_do_not_run(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    assert "does not define elu, must define elu, elu_backward" in learn.check(ALL["elu"], path).message
    path.write_text("1 / 0\n")
    assert "ZeroDivisionError" in learn.check(ALL["elu"], path).message
    path.write_text("def\n")
    assert "SyntaxError" in learn.check(ALL["elu"], path).message


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["learn"]) == 0
    assert "adam" in capsys.readouterr().out
    assert main(["learn", "adam"]) == 0
    assert "v = beta2 * v + (1 - beta2) * grad**2" in (tmp_path / "adam.py").read_text()
    assert main(["learn", "adam"]) == 2
    assert main(["check", "adam"]) == 1
    capsys.readouterr()
    assert main(["learn", "adam", "--solution"]) == 0
    (tmp_path / "adam.py").write_text(capsys.readouterr().out)
    assert main(["check", "adam"]) == 0
    assert "bit for bit" in capsys.readouterr().out
    assert main(["learn", "adam", "--hint"]) == 0
    assert main(["check", "elu"]) == 2
    assert main(["learn", "adm"]) == 2
    assert "did you mean 'adam'?" in capsys.readouterr().err
    assert main(["learn", "--hint"]) == 2


def test_nan_and_infinities_are_compared():
    broken = {"relu": lambda x: np.full_like(x, np.nan), "relu_backward": lambda dy, y: dy}
    assert learn.judge(ALL["relu"], broken).state == "wrong"
