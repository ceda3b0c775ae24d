"""Restricted Boltzmann machines against the enumeration of all their states, in float64."""

import itertools
import math

import numpy as np
import pytest

import minidnn
from minidnn import Generator, data, kernels, nn, optim, pretraining, training
from minidnn.pretraining import RBM, ContrastiveDivergence


def tiny(n_visible=4, n_hidden=3, seed=1, scale=1.5, **kinds):
    """A model with weights large enough for errors to be visible."""
    rbm = RBM(n_visible, n_hidden, **kinds)
    rng = np.random.default_rng(seed)
    for param in rbm.parameters():
        param.data[...] = scale * rng.standard_normal(param.shape)
    return rbm


def states(n):
    return np.array(list(itertools.product((0.0, 1.0), repeat=n)))


class Enumerated:
    """Every probability of a tiny Bernoulli-Bernoulli model, from its energies."""

    def __init__(self, rbm):
        self.w, self.a, self.b = (
            param.data.astype(np.float64) for param in (rbm.kernel, rbm.visible_bias, rbm.hidden_bias)
        )
        self.v, self.h = states(rbm.n_visible), states(rbm.n_hidden)
        minus_energy = (self.v @ self.a)[:, None] + self.h @ self.b + self.v @ self.w @ self.h.T
        self.log_z = np.logaddexp.reduce(minus_energy, axis=None)
        self.joint = np.exp(minus_energy - self.log_z)
        self.p_v, self.p_h = self.joint.sum(axis=1), self.joint.sum(axis=0)
        self.h_given_v, self.v_given_h = self.joint / self.p_v[:, None], self.joint / self.p_h

    def row(self, v):
        return (np.asarray(v) @ (2 ** np.arange(self.v.shape[1])[::-1])).astype(int)

    def log_likelihood(self, v):
        return np.log(self.p_v[self.row(v)]).mean()

    def statistics(self, joint):
        """The expectations of v h, v and h."""
        return np.einsum("vh,vi,hj->ij", joint, self.v, self.h), joint.sum(axis=1) @ self.v, joint.sum(axis=0) @ self.h

    def gradient(self, v):
        """Of the mean log-likelihood of the rows of v."""
        rows = self.row(v)
        share = np.bincount(rows, minlength=len(self.v)) / len(rows)
        return [d - m for d, m in zip(
            self.statistics(share[:, None] * self.h_given_v), self.statistics(self.joint), strict=True)]  # fmt: skip

    def divergence(self, v, k):
        """The expected update of CD-k that starts at the rows of v."""
        rows = self.row(v)
        share = np.bincount(rows, minlength=len(self.v)) / len(rows)
        after = share @ np.linalg.matrix_power(self.h_given_v @ self.v_given_h.T, k)
        return [d - m for d, m in zip(
            self.statistics(share[:, None] * self.h_given_v), self.statistics(after[:, None] * self.h_given_v),
            strict=True)]  # fmt: skip


def update(objective, v):
    """What a step of gradient descent with rate 1 would add."""
    for param in objective.parameters():
        param.grad = None
    errors = objective(np.asarray(v, np.float32))
    assert errors.shape == (len(v), 1)
    errors.backward(np.full(errors.shape, 1 / len(v), np.float32))
    return [-param.grad for param in (objective.rbm.kernel, objective.rbm.visible_bias, objective.rbm.hidden_bias)]


DATA = np.array([[1, 0, 0, 1], [1, 1, 0, 1], [0, 0, 1, 0]], np.float32)
COPIES = 20_000
MNIST = data.load_mnist().train
BOUND = 5 * 0.5 / math.sqrt(COPIES)  # five standard errors of the mean of something between 0 and 1


# The model


def test_the_free_energy_and_the_partition_function_are_those_of_all_states():
    rbm = tiny()
    exact = Enumerated(rbm)
    energies = rbm.free_energy(exact.v.astype(np.float32))
    assert energies.dtype == np.float64
    assert np.logaddexp.reduce(-energies) == pytest.approx(exact.log_z, rel=1e-6)
    assert np.allclose(np.exp(-energies - exact.log_z), exact.p_v, rtol=1e-5)


def test_the_free_energy_of_gaussian_units():
    rbm = tiny(visible="gaussian")
    v = np.random.default_rng(0).standard_normal((5, 4))
    a, b, w = (param.data.astype(np.float64) for param in (rbm.visible_bias, rbm.hidden_bias, rbm.kernel))
    h = states(3)
    minus_energy = -((v - a) ** 2).sum(axis=1)[:, None] / 2 + h @ b + v @ w @ h.T
    assert np.allclose(rbm.free_energy(v), -np.logaddexp.reduce(minus_energy, axis=1), rtol=1e-6)


def test_the_conditional_means():
    rbm = tiny()
    exact = Enumerated(rbm)
    v, h = exact.v.astype(np.float32), exact.h.astype(np.float32)
    assert np.allclose(rbm.hidden_mean(v), exact.h_given_v @ exact.h, atol=1e-6)
    assert np.allclose(rbm(v).data, exact.h_given_v @ exact.h, atol=1e-6)
    assert np.allclose(rbm.visible_mean(h), exact.v_given_h.T @ exact.v, atol=1e-6)
    gaussian = tiny(visible="gaussian")
    assert np.allclose(gaussian.visible_mean(h), h @ gaussian.kernel.data.T + gaussian.visible_bias.data, atol=1e-5)


def test_samples_follow_the_conditional_distributions():
    rbm, rng = tiny(), Generator(3)
    v = np.repeat(DATA[:1], COPIES, axis=0)
    h = rbm.sample_hidden(v, rng)
    assert set(np.unique(h)) == {0, 1}
    assert np.abs(h.mean(axis=0) - rbm.hidden_mean(DATA[:1])).max() < BOUND
    assert np.abs(np.corrcoef(h.T)[0, 1]) < BOUND * 2  # independent of each other
    gaussian = tiny(visible="gaussian")
    drawn = gaussian.sample_visible(np.repeat(states(3)[5:6].astype(np.float32), COPIES, axis=0), rng)
    assert np.abs(drawn.mean(axis=0) - gaussian.visible_mean(states(3)[5:6].astype(np.float32))).max() < 2 * BOUND
    assert np.abs(drawn.std(axis=0) - 1).max() < 2 * BOUND


def test_rectified_hidden_units_are_noisy():
    rbm, rng = tiny(hidden="relu"), Generator(3)
    h = rbm.sample_hidden(np.repeat(DATA[:1], COPIES, axis=0), rng)
    x = DATA[0].astype(np.float64) @ rbm.kernel.data + rbm.hidden_bias.data
    s = np.sqrt(1 / (1 + np.exp(-x)))
    below = np.array([0.5 * math.erfc(z / math.sqrt(2)) for z in x / s])  # P(N(0, 1) < -x / s)
    mean = x * (1 - below) + s * np.exp(-((x / s) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert np.abs(h.mean(axis=0) - mean).max() < 2 * BOUND
    assert np.abs((h == 0).mean(axis=0) - below).max() < BOUND
    assert np.allclose(rbm(DATA[:1]).data, np.maximum(x, 0), atol=1e-5)
    with pytest.raises(ValueError, match="only Bernoulli hidden units have a free energy"):
        rbm.free_energy(DATA)


def test_gibbs_sampling_reaches_the_model_itself():
    rbm = tiny(scale=0.8)
    exact = Enumerated(rbm)
    v, h = rbm.gibbs(np.zeros((COPIES, 3), np.float32), steps=15, rng=Generator(4))
    found = np.bincount(exact.row(v), minlength=16) / COPIES
    assert np.abs(found - exact.p_v).max() < BOUND
    assert np.abs(h.mean(axis=0) - exact.p_h @ exact.h).max() < BOUND
    dreamt = rbm.sample(500, steps=20, rng=Generator(5))
    assert dreamt.shape == (500, 4) and np.abs(dreamt.mean(axis=0) - exact.p_v @ exact.v).max() < 5 * 0.5 / 500**0.5


def test_the_pseudo_likelihood_is_right_on_average():
    rbm = tiny()
    exact = Enumerated(rbm)
    wanted = []
    for v in DATA:
        flips = np.abs(v - np.eye(4))
        wanted.append(sum(np.log(exact.p_v[exact.row(v)] / (exact.p_v[exact.row(v)] + exact.p_v[exact.row(f)]))
                          for f in flips))  # fmt: skip
    got = rbm.pseudo_log_likelihood(np.repeat(DATA, 4000, axis=0), Generator(1)).reshape(3, 4000)
    assert np.all(np.abs(got.mean(axis=1) - wanted) < 5 * got.std(axis=1) / 4000**0.5)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        rbm.pseudo_log_likelihood(0.5 * DATA)


def test_the_bits_are_the_references_wherever_rounding_cannot_matter():
    rbm = tiny(300, 200, scale=0.1)
    v = (Generator(1).uniform((50, 300)) < 0.5).astype(np.float32)
    uniform = Generator(7).uniform((50, 200))
    drawn = {}
    for backend in ("compiled", "reference"):
        with minidnn.use_backend(backend):
            p = rbm.hidden_mean(v)
            bits = rbm.sample_hidden(v, Generator(7))
            assert np.array_equal(bits, uniform < p)
            drawn[backend] = p, bits
    (p, bits), (p_reference, bits_reference) = drawn.values()
    assert np.abs(p - p_reference).max() < 1e-5
    elsewhere = np.abs(uniform - p) > np.abs(p - p_reference)
    assert elsewhere.mean() > 0.999 and np.array_equal(bits[elsewhere], bits_reference[elsewhere])


# Training


@pytest.mark.parametrize("k", [1, 3])
def test_contrastive_divergence_has_the_expected_mean(k):
    rbm = tiny()
    wanted = Enumerated(rbm).divergence(DATA, k)
    got = update(ContrastiveDivergence(rbm, k, rng=Generator(2)), np.repeat(DATA, COPIES, axis=0))
    assert max(np.abs(exact).max() for exact in wanted) > 10 * BOUND
    for exact, estimate in zip(wanted, got, strict=True):
        assert np.abs(exact - estimate).max() < BOUND


def test_means_instead_of_visible_bits():
    rbm = tiny()
    exact = Enumerated(rbm)
    v1 = 1 / (1 + np.exp(-(exact.h @ exact.w.T + exact.a)))
    h1 = 1 / (1 + np.exp(-(v1 @ exact.w + exact.b)))
    share = exact.h_given_v[exact.row(DATA)].mean(axis=0)
    h0 = 1 / (1 + np.exp(-(DATA @ exact.w + exact.b)))
    wanted = [DATA.T @ h0 / 3 - (v1.T * share) @ h1, DATA.mean(axis=0) - share @ v1, h0.mean(axis=0) - share @ h1]
    objective = ContrastiveDivergence(rbm, sample_visible=False, rng=Generator(2))
    for formula, estimate in zip(wanted, update(objective, np.repeat(DATA, COPIES, axis=0)), strict=True):
        assert np.abs(formula - estimate).max() < BOUND


def test_persistent_chains_come_to_give_the_true_gradient():
    rbm = tiny()
    wanted = Enumerated(rbm).gradient(DATA)
    biased = Enumerated(rbm).divergence(DATA, 1)
    assert max(np.abs(a - b).max() for a, b in zip(wanted, biased, strict=True)) > 3 * BOUND  # CD-1 would fail here
    objective = ContrastiveDivergence(rbm, persistent=True, chains=COPIES, rng=Generator(2))
    for _ in range(50):
        got = update(objective, DATA)
    assert max(np.abs(exact).max() for exact in wanted) > 10 * BOUND
    for exact, estimate in zip(wanted, got, strict=True):
        assert np.abs(exact - estimate).max() < BOUND


def test_gaussian_visible_units():
    rbm = tiny(visible="gaussian", scale=0.5)
    v = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    h0 = 1 / (1 + np.exp(-(v.astype(np.float64) @ rbm.kernel.data + rbm.hidden_bias.data)))
    v1 = rbm.visible_bias.data + h0 @ rbm.kernel.data.T
    got = update(ContrastiveDivergence(rbm, rng=Generator(2)), np.repeat(v, COPIES, axis=0))
    assert np.abs(got[1] - (v - v1).mean(axis=0)).max() < 3 * BOUND


@pytest.mark.parametrize("persistent", [False, True])
def test_training_raises_the_likelihood_of_the_data(persistent):
    minidnn.manual_seed(3)
    patterns = np.repeat([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], 100, axis=0)
    flips = Generator(1).uniform(patterns.shape) < 0.1
    x = (patterns ^ flips).astype(np.float32)
    share = flips.mean()
    best = -math.log(2) + 6 * (share * math.log(share) + (1 - share) * math.log(1 - share))  # of what made the data
    rbm = RBM(6, 4)
    before = Enumerated(rbm).log_likelihood(x)
    assert before == pytest.approx(-6 * math.log(2), abs=0.05)
    objective = ContrastiveDivergence(rbm, persistent=persistent)
    optimizer = optim.SGD(rbm.parameters(), 0.05)
    history = pretraining.train(objective, x, optimizer=optimizer, epochs=200, batch_size=20, progress=False)
    assert Enumerated(rbm).log_likelihood(x) > best - 0.3
    assert history["loss"][-1] < 0.7 * history["loss"][0] and "accuracy" not in history.rows[0]


def test_weight_decay_is_given_as_a_kernel_regularizer():
    minidnn.manual_seed(3)
    x = (Generator(1).uniform((200, 12)) < 0.5).astype(np.float32)

    def size(**options):
        rbm = RBM(12, 8, rng=Generator(1), kernel_initializer="glorot_uniform", **options)
        optimizer = optim.SGD(rbm.parameters(), 0.1, momentum=0.9)
        pretraining.train(ContrastiveDivergence(rbm), x, optimizer=optimizer, epochs=20, progress=False)
        return np.abs(rbm.kernel.data).sum()

    assert size(kernel_regularizer=nn.l2(0.1)) < 0.3 * size()


def test_evaluation_draws_no_random_numbers():
    rbm, rng = tiny(), Generator(2)
    objective = ContrastiveDivergence(rbm, rng=rng).eval()
    errors = objective(DATA)
    assert rng.draw == 0 and not errors.requires_grad
    assert np.allclose(errors.data[:, 0], rbm.reconstruction_error(DATA), rtol=1e-5)


def weights_after(x, capture=True, **options):
    minidnn.manual_seed(5)
    rbm = RBM(784, 33, **{key: options.pop(key) for key in ("visible", "hidden") if key in options})
    rbm.center(x.images)
    optimizer = optim.SGD(rbm.parameters(), 0.001, momentum=0.5)
    pretraining.train(
        ContrastiveDivergence(rbm, **options), x, optimizer=optimizer, epochs=2, batch_size=64, progress=False,
        capture=capture, valid=x[:50],
    )  # fmt: skip
    return b"".join(param.data.tobytes() for param in rbm.parameters())


@pytest.mark.parametrize(
    "options", [{}, {"k": 3}, {"persistent": True}, {"visible": "gaussian"}, {"hidden": "relu"}], ids=str
)
@pytest.mark.compiled
def test_the_same_bytes_captured_or_not_at_every_thread_count(options, caplog):
    x = MNIST[:200]
    caplog.set_level("INFO", "minidnn")
    kernels.set_num_threads(1)
    alone = weights_after(x, **options)
    assert not caplog.records  # it could be captured
    assert weights_after(x, capture=False, **options) == alone
    for threads in (2, 3):
        kernels.set_num_threads(threads)
        assert weights_after(x, **options) == alone


def test_center_explains_the_means():
    rbm = RBM(4, 3)
    v = np.tile(DATA, (10, 1))
    rbm.center(v)
    assert np.allclose(rbm.visible_mean(np.zeros((1, 3), np.float32)), np.clip(v.mean(axis=0), 0.001, 0.999), atol=1e-5)
    gaussian = RBM(4, 3, visible="gaussian")
    gaussian.center(v)
    assert np.allclose(gaussian.visible_bias.data, v.mean(axis=0))


def test_it_is_saved_and_loaded(tmp_path):
    rbm = tiny(name="first", visible="gaussian", kernel_regularizer=nn.l2(0.1))
    minidnn.save(rbm, tmp_path / "rbm.safetensors")
    loaded = minidnn.load(tmp_path / "rbm.safetensors")
    assert repr(loaded) == repr(rbm) and loaded.visible == "gaussian"
    assert np.array_equal(loaded.free_energy(DATA), rbm.free_energy(DATA))
    assert np.array_equal(training.predict(loaded, DATA), rbm.hidden_mean(DATA))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: RBM(0, 3), ValueError, "n_visible must be at least 1"),
        (lambda: RBM(3, 2.0), TypeError, "n_hidden must be an integer"),
        (lambda: RBM(3, 2, visible="binary"), ValueError, "visible must be one of bernoulli, gaussian, got 'binary'"),
        (lambda: RBM(3, 2, hidden="elu"), ValueError, "hidden must be one of bernoulli, relu, got 'elu'"),
        (lambda: RBM(3, 2)(DATA), ValueError, r"v has shape \(3, 4\), must be \(batch, 3\)"),
        (lambda: ContrastiveDivergence(RBM(3, 2))(DATA), ValueError, r"v has shape \(3, 4\)"),
        (lambda: RBM(3, 2).free_energy(DATA[0]), ValueError, r"v has shape \(4,\)"),
        (lambda: RBM(4, 2).gibbs(np.zeros((1, 2), np.float32), 0), ValueError, "steps must be at least 1"),
        (lambda: ContrastiveDivergence(RBM(4, 2), 0), ValueError, "k must be at least 1"),
        (lambda: ContrastiveDivergence(nn.Dense(4, 2)), TypeError, "rbm must be an RBM, got Dense"),
        (
            lambda: ContrastiveDivergence(RBM(4, 2), persistent=True, sample_visible=False),
            ValueError,
            "persistent chains must sample",
        ),
        (lambda: tiny(visible="gaussian").pseudo_log_likelihood(DATA), ValueError, "Bernoulli units"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_nan_in_the_data_is_an_error(caplog):
    x = np.full((20, 4), np.nan, np.float32)
    rbm = tiny()
    with pytest.raises(ValueError, match="the input of example 0, column 0 is nan"):
        pretraining.train(
            ContrastiveDivergence(rbm), x, optimizer=optim.SGD(rbm.parameters(), 0.1), epochs=1, progress=False
        )
