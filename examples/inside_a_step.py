"""What a training step does: the kernel calls of the notebook's network, each with its formula and its time.

A step is recorded once as a program, a list of named calls on named memory, and is then run without Python. Printed, it
is the whole of backpropagation and momentum on one page. Beside each call stand the formula and the NumPy function that
tests compare it with, bit for bit or to the last places.

    python examples/inside_a_step.py            # prints the program, its kernels, where the time goes; then trains
    python examples/inside_a_step.py --picture program.png --profile profile.png
    python examples/inside_a_step.py --page docs/program.md
"""

import argparse
import inspect
import re
import textwrap
from pathlib import Path

import minidnn
from minidnn import data, nn, optim, reference, training


def notebook_step(batch):
    """The notebook's step, 784-300-50-10 with momentum, captured."""
    minidnn.manual_seed(42)
    model = nn.Sequential(
        nn.Dense(784, 300, "relu", name="hidden1"),
        nn.Dense(300, 50, "relu", name="hidden2"),
        nn.Dense(50, 10, name="logits"),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return training.capture(step, *batch)


def write_page(path, captured, profile):
    """Puts the program and its profile into the blocks of a page that are marked for them."""
    page = path.read_text()
    for name, text in (("program", captured), ("profile", profile)):
        page = re.sub(
            rf"(<!-- {name} -->\n```\n).*?(\n```)", lambda m, text=text: f"{m[1]}{text}{m[2]}", page, flags=re.S
        )
    path.write_text(page)
    captured.draw(path.parent / "pictures" / "program.png")
    profile.draw(path.parent / "pictures" / "profile.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1, help="to train with the program, after it was shown")
    parser.add_argument("--examples", type=int, default=55_000, help="of the training set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", help="draw the program into this file")
    parser.add_argument("--profile", help="draw its times into this file")
    parser.add_argument("--page", type=Path, help="write both into this page")
    arguments = parser.parse_args()

    minidnn.set_num_threads(arguments.threads)
    train = data.load_mnist().train[: arguments.examples]
    batch = next(iter(data.batches(train, 50)))
    captured = notebook_step(batch)
    print("The program\n")
    print(captured)
    print("\nIts kernels, each as the NumPy function that it equals\n")
    for name in dict.fromkeys(call.kernel for call in captured.calls):
        print(textwrap.indent(inspect.getsource(getattr(reference, name)), "    "))
    profile = captured.profile(*batch)
    print("Where the time goes\n")
    print(profile)
    if arguments.picture:
        captured.draw(arguments.picture)
    if arguments.profile:
        profile.draw(arguments.profile)
    if arguments.page:
        write_page(arguments.page, captured, profile)

    print("\nTraining by the program alone")
    for epoch in range(arguments.epochs):
        for x, y in data.batches(train, 50):
            loss = captured(x, y)
        print(f"epoch {epoch + 1}: the loss of the last batch is {loss.item():.4f}")


if __name__ == "__main__":
    main()
