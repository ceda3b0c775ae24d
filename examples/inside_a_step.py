"""What a training step does: the kernel calls of the notebook's network, each with its formula and its time.

A step is recorded once as a program, a list of named calls on named memory, and then runs without Python. Its printed
form shows all of backpropagation and momentum on one page, each call with its formula. Below it are the NumPy functions
with which tests compare the kernels, bit for bit or within a bound.

    python examples/inside_a_step.py            # prints the program, its kernels and their times; then trains
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
    """Replaces the program on a page, in the block below ``<!-- program -->``, and draws the page's pictures."""
    block = re.compile(r"(<!-- program -->\n```text\n).*?(\n```)", re.S)
    page, found = block.subn(lambda match: f"{match[1]}{captured}{match[2]}", path.read_text())
    if not found:
        raise SystemExit(f"{path} has no text block below <!-- program -->")
    path.write_text(page)
    captured.draw(path.parent / "pictures" / "program.png")
    profile.draw(path.parent / "pictures" / "profile.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1, help="of training with the program, after it was printed")
    parser.add_argument("--examples", type=int, default=55_000, help="how many of the training set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", help="draw the program into this file")
    parser.add_argument("--profile", help="draw the times of its calls into this file")
    parser.add_argument("--page", type=Path, help="write the program into this page, and both pictures into its folder")
    arguments = parser.parse_args()

    minidnn.set_num_threads(arguments.threads)
    train = data.load_mnist().train[: arguments.examples]
    batch = next(iter(data.batches(train, 50)))
    captured = notebook_step(batch)
    print("The program\n")
    print(captured)
    print("\nIts kernels, each as its NumPy reference\n")
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

    print("\nTraining with the program alone")
    for epoch in range(arguments.epochs):
        for x, y in data.batches(train, 50):
            loss = captured(x, y)
        print(f"epoch {epoch + 1}: the loss of the last batch is {loss.item():.4f}")


if __name__ == "__main__":
    main()
