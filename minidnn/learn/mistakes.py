"""Typical mistakes, each as a change of the source text of a solution."""

from __future__ import annotations

import re

MISTAKES: dict[str, list[tuple[str, str]]] = {
    "the bias of neither m nor v is corrected": [
        (r"lr / \(1 - beta1 \*\* step\)", "lr"),
        (r"1 / math\.sqrt\(1 - beta2 \*\* step\)", "1.0"),
    ],
    "the bias of m is not corrected": [(r"lr / \(1 - beta1 \*\* step\)", "lr")],
    "the bias of v is not corrected": [(r"1 / math\.sqrt\(1 - beta2 \*\* step\)", "1.0")],
    "step counts from 0, it must count from 1": [(r"\*\* step\b", "** max(step - 1, 0.5)")],
    "eps is inside the root, it must be outside": [
        (
            r"np\.sqrt\((\w+)\) \* x\(_root\(beta2, step\)\) \+ x\(eps\)",
            r"np.sqrt(\1 * x(_root(beta2, step) ** 2) + x(eps))",
        )
    ],
    "eps is outside the root, it must be inside": [
        (r"np\.sqrt\((\w+|np\.where\(variance < 0, x\(0\), variance\)) \+ x\(eps\)\)", r"(np.sqrt(\1) + x(eps))")
    ],
    "eps is forgotten": [(r" \+ x\(eps\)| \+ var\.dtype\.type\(eps\)| \+ eps\b", "")],
    "the gradient is not squared": [(r"\(grad \* grad\)|grad \* grad", "grad")],
    "the root is forgotten": [(r"np\.sqrt\(", "(")],
    "the sign is wrong: the parameter moves uphill": [(r"param -= ", "param += ")],
    "the factor 1 - decay of the new value is forgotten": [(r"x\(1 - (?:decay|beta\d|rho)\) \* ", "")],
    "lr is inside the velocity, it must multiply the velocity": [
        (r"velocity \+ grad$", "velocity + x(lr) * grad"),
        (r"x\(lr\) \* velocity", "velocity"),
    ],
    "the update is plain momentum, which does not look ahead": [(r"\(grad \+ x\(momentum\) \* velocity\)", "velocity")],
    "the velocity is not kept: every step begins with 0": [(r"x\(momentum\) \* velocity \+ grad$", "grad")],
    "the weight decay is forgotten": [(r"x\(1 - lr \* weight_decay\) \* param", "param")],
    "v is used instead of the largest v so far": [(r"np\.where\(v > v_max, v, v_max\)", "v")],
    "u is the sum of the two, it must be the larger one": [
        (r"np\.where\(decayed > size, decayed, size\)", "decayed + size")
    ],
    "alpha is forgotten": [(r"[xy]\.dtype\.type\(alpha\) \* ", ""), (r"[xy]\.dtype\.type\(alpha\)", "1")],
    "the scale is forgotten": [(r"scale \* x\b", "x"), (r"dy \* scale", "dy")],
    "dy is forgotten: the gradient is dy times the derivative": [
        (r"where\((.*?), dy, dy \* (.*)\)$", r"where(\1, 1, \2)"),
        (r"where\((.*?), dy, (.*)\)$", r"where(\1, np.ones_like(dy), \2)"),
        (r"return dy \* (.*)$", r"return \1"),
    ],
    "y is the output of tanh already, it must not go through tanh again": [
        (r"1 - y \* y", "1 - np.tanh(y) * np.tanh(y)")
    ],
    "y is the output of the sigmoid already, it must not go through it again": [
        (r"y \* \(1 - y\)", "(1 / (1 + np.exp(-y))) * (1 - 1 / (1 + np.exp(-y)))")
    ],
    "1 - y is forgotten": [(r"\(y \* \(1 - y\)\)", "y")],
    "y is not squared": [(r"1 - y \* y", "1 - y")],
    "the gradient is divided by the batch size, it must be the sum over rows": [
        (r"return losses, dlogits", "return losses, dlogits / len(labels)")
    ],
    "the one of the label is not subtracted from the gradient": [(r"dlogits\[.*\] -= 1", "pass")],
    "the loss has the wrong sign": [(r"losses = -", "losses = ")],
    "the kept elements are not divided by 1 - rate": [(r"x \* x\.dtype\.type\(1 / \(1 - rate\)\)", "x")],
    "kept and dropped elements are exchanged": [(r"bits >= ", "bits < ")],
    "the variance is divided by n - 1, it must be by n": [(r"x\.var\(axis=0\)", "x.var(axis=0, ddof=1)")],
    "mean(dy) is not subtracted": [(r"dy - dy\.mean\(axis=0\)", "dy")],
    "mean(dy * normal) * normal is not subtracted": [(r" - normal \* \(dy \* normal\)\.mean\(axis=0\)", "")],
    "gamma is forgotten": [(r"gamma \* ", "")],
    "columns below the limit are enlarged": [(r"np\.maximum\(norm, limit\)", "norm")],
    "the norm is taken along the rows": [(r"axis=0, keepdims", "axis=1, keepdims")],
    "n_out is used instead of n_in": [(r"/ n_in\b", "/ n_out")],
    "n_in + n_out is not halved": [(r"\(\(n_in \+ n_out\) / 2\)", "(n_in + n_out)")],
    "the variance is passed instead of the standard deviation": [(r"math\.sqrt\((\w+ / .+)\)\)", r"\1)")],
    "the limit lacks the factor sqrt(3): the variance of a uniform number is limit**2 / 3": [(r"3 \* ", "")],
    "db is the mean over the batch, it must be the sum": [(r"dz\.sum\(axis=0\)", "dz.mean(axis=0)")],
    "dw is divided by the batch size": [(r"x\.T @ dz", "x.T @ dz / len(x)")],
    "the derivative of the activation is forgotten": [(r"dz = np\.where\(y > 0, dy, 0\)", "dz = dy")],
    "gradients of a value that is used twice are overwritten, they must be added": [
        (r"parent\.grad \+ grad", "grad + 0")
    ],
    "the two phases have exchanged signs": [(r"v1\.T @ h1 - v\.T @ h", "v.T @ h - v1.T @ h1")],
    "the hidden units are not sampled: their means are used for the reconstruction": [(r"draw\(h\)", "h")],
    "integer division is used for the steps": [(r"step / ", "step // ")],
    "t is not limited to 1 after the end of the period": [(r"min\((\(?step.+?), 1\)", r"\1")],
    "the old rate is still used at a boundary": [(r"step >= boundary", "step > boundary")],
}
"""The description of a mistake -> regular expressions and their replacements in the text of a solution."""


def mistaken(solution: str) -> dict[str, str]:
    """The mistakes that change this solution, each with the changed text."""
    texts: dict[str, str] = {}
    for label, replacements in MISTAKES.items():
        text = solution
        for pattern, replacement in replacements:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        if text != solution and text not in texts.values():
            texts[label] = text
    return texts
