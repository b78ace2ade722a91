"""Sources of networks that do what no one expects: odd outputs, dtypes, exceptions, hidden state, in any mixture."""

from dataclasses import dataclass

from hypothesis import strategies as st

HEAD = """\
import asyncio, collections, contextlib, copy, io, itertools, os, random, sys, threading, warnings
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Mine(BaseException):
    pass


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


class Odd:
    def __repr__(self):
        raise ValueError("no repr")

    def __eq__(self, other):
        raise ValueError("no comparison")

    __hash__ = None


class Counting:
    def __init__(self):
        self.n, self.rng, self.me = 0, random.Random(2), self


class Failing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise ValueError("backward does not work")


class Exiting(Failing):
    @staticmethod
    def backward(ctx, grad):
        sys.exit(0)


def endless(n):
    return endless(n + 1)


"""

OUTPUTS = (
    "y",
    "y * 2",
    "(y, y)",
    "[y]",
    "{'logits': y}",
    "None",
    "1.5",
    "y.detach().numpy()",
    "y.to(torch.complex64)",
    "y.long()",
    "y > 0",
    "y.double()",
    "y.half()",
    "y.bfloat16()",
    "y.to_sparse()",
    "y[:, :3]",
    "F.pad(y, (0, 1))",
    "y[:1]",
    "y[:0]",
    "y.sum()",
    "y[0]",
    "y.unsqueeze(2)",
    "y.detach()",
    "y.data * 1",
    "y.argmax(1)",
    "y.clone().requires_grad_()",
    "torch.zeros(len(x), 10)",
    "y * float('nan')",
    "y * float('inf')",
    "y.t().contiguous().t()",
    "y[:, :1].expand(-1, 10)",
    "y.log_softmax(1)",
    "nn.Parameter(y)",
    "Failing.apply(y)",
    "Exiting.apply(y)",
    "self",
    "torch.float32",
    "iter([y])",
)

# Run in the constructor.
MADE = (
    "pass",
    "self.double()",
    "self.half()",
    "self.bfloat16()",
    "self.to(torch.complex64)",
    "self.requires_grad_(False)",
    "self.a.requires_grad_(False)",
    "self.emb = nn.Embedding(20, 8, sparse=True)",
    "self.unused = nn.Linear(3, 3)",
    "self.empty = nn.Parameter(torch.zeros(0))",
    "self.scalar = nn.Parameter(torch.tensor(1.0))",
    "self.whole = nn.Parameter(torch.zeros(3, dtype=torch.float64))",
    "self.whole = nn.Parameter(torch.zeros(3, dtype=torch.complex64))",
    "self.big = nn.Parameter(torch.full((2,), float('inf')))",
    "self.plain = [nn.Linear(2, 2)]",
    "self.again = self.a",
    "self.shared = self.a.weight",
    "nn.utils.parametrizations.weight_norm(self.a)",
    "nn.utils.parametrizations.spectral_norm(self.a)",
    "nn.utils.spectral_norm(self.a)",
    "self.lazy = nn.LazyLinear(4)",
    "self.norm = nn.BatchNorm1d(1)",
    "self.register_buffer('s', torch.eye(2).to_sparse())",
    "self.register_buffer('s', torch.eye(2).to_sparse(), persistent=False)",
    "self.register_buffer('s', torch.zeros(2, dtype=torch.complex128))",
    "self.register_buffer('s', torch.zeros(2, dtype=torch.complex64), persistent=False)",
    "self.register_buffer('s', torch.zeros(2, dtype=torch.complex128), persistent=False)",
    "self.register_buffer('s', None)",
    "self.register_buffer('s', torch.full((3, 3), float('-inf')).triu(1))",
    "self.register_buffer('s', torch.full((3, 3), float('-inf')).triu(1), persistent=False)",
    "self.register_buffer('s', torch.zeros(1).expand(5))",
    "self.register_buffer('s', torch.zeros(1).expand(5), persistent=False)",
    "self.register_buffer('s', torch.tensor(float('nan')))",
    "self.register_buffer('s', torch.zeros(0))",
    "self.register_buffer('s', torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8))",
    "self.register_buffer('dlkit', torch.zeros(1))",
    "self.context = nn.Module(); self.context.register_buffer('x', torch.zeros(2))",
    "self.lock = threading.Lock()",
    "self.file = open(__file__)",
    "self.steps = itertools.count()",
    "self.seen = set()",
    "self.odd = Odd()",
    "self.counting = Counting()",
    "self.rng = random.Random(3)",
    "self.rng = random.SystemRandom()",
    "self.rng = np.random.default_rng(3)",
    "self.rng = np.random.Generator(np.random.MT19937(3))",
    "self.rng = torch.Generator().manual_seed(3)",
    "self.table = np.array([object()], dtype=object)",
    "self.table = np.zeros(3, dtype='datetime64[s]')",
    "self.log = []",
    "self.log = collections.deque(maxlen=3)",
    "self.log = collections.Counter()",
    "self.me = [self]",
    "self.loop = []; self.loop.append(self.loop)",
    "self.call = lambda: self.a",
    "self.register_forward_hook(lambda m, i, o: None)",
    "self.register_full_backward_hook(lambda m, i, o: None)",
    "self.a.weight.register_hook(lambda g: g * 2)",
    "self.a.weight.register_hook(lambda g: g[:1])",
    "self.a.weight.register_hook(lambda g: sys.exit(0))",
    "self.training = 7",
    "torch.manual_seed(0)",
    "self.eval()",
    "self.train = lambda mode=True: self",
    "self.state_dict = lambda *a, **k: {}",
    "self.h = None",
    "self.h = torch.zeros(1)",
)

# Run in forward, with `x` flattened and `self.k` the passes so far.
DONE = (
    "pass",
    "self.k2 = self.k",
    "self.h = y",
    "self.h = y.detach()",
    "y = y + (0 if getattr(self, 'h', None) is None or len(self.h) != len(y) else self.h); self.h = y",
    "self.s = torch.ones(self.k % 3 + 1)",
    "self.register_buffer('t', torch.ones(self.k), persistent=False)",
    "self.register_buffer('t', torch.ones(self.k))",
    "self.register_buffer('t', None)",
    "self.late = getattr(self, 'late', None) or nn.Linear(2, 2)",
    "self.fresh = nn.Linear(2, 2)",
    "self.extra = nn.Parameter(torch.zeros(self.k))",
    "self.a.weight.requires_grad_(False)",
    "self.requires_grad_(False)",
    "self.a.weight.data = self.a.weight.data.double()",
    "self.a.weight.grad = None",
    "self.a.weight = nn.Parameter(self.a.weight.detach().clone())",
    "y.relu_(); y = y.exp().add_(1).log(); y += 1",
    "z = y.exp(); y = z * 2; z += 1",
    "with torch.no_grad(): self.a.weight.mul_(1.01)",
    "with torch.no_grad(): y = self.a(x)",
    "with torch.inference_mode(): y = self.a(x)",
    "y.sum().backward()",
    "torch.set_grad_enabled(False)",
    "print('noise', self.k)",
    "print('error', file=sys.stderr)",
    "sys.stdout.write('noise\\n')",
    "warnings.warn('beware')",
    "self.train(not self.training)",
    "self.eval()",
    "self.seen = {self.k}",
    "self.log = getattr(self, 'log', None) or collections.deque(); hasattr(self.log, 'append') and self.log.append(1)",
    "self.steps = iter(range(self.k))",
    "self.odd = Odd()",
    "self.rng = random.Random(self.k)",
    "self.rng = torch.Generator(); y = y + torch.rand((), generator=self.rng)",
    "y = y + random.random() + np.random.rand() + torch.rand(())",
    "y = F.embedding(x.long().clamp(0, 9), self.a.weight, sparse=True).sum(1)[:, :10]",
    "del self.a.bias; self.a.register_parameter('bias', None)",
    "del self.k2",
    "self.k = 10**400",
    "x.zero_()",
    "torch.manual_seed(0)",
    "self._buffers['t'] = torch.ones(2)",
    "y = torch.utils.checkpoint.checkpoint(self.a, x, use_reentrant=False)",
    "y = y * torch.tensor(1e308, dtype=torch.float64)",
)

RAISED = (
    "raise ValueError('no')",
    "raise RuntimeError('no')",
    "raise RuntimeError('CUDA out of memory')",
    "raise StopIteration",
    "raise StopAsyncIteration",
    "raise GeneratorExit",
    "raise SystemExit(0)",
    "sys.exit()",
    "sys.exit('a reason')",
    "exit()",
    "raise Mine",
    "raise Unprintable",
    "raise MemoryError",
    "raise EOFError",
    "raise BrokenPipeError",
    "raise OSError(28, 'No space left on device')",
    "raise FileNotFoundError(2, 'No such file', 'x')",
    "raise KeyError('x')",
    "raise AssertionError",
    "raise NotImplementedError",
    "raise asyncio.CancelledError",
    "raise ExceptionGroup('several', [ValueError(1), KeyError(2)])",
    "raise BaseExceptionGroup('several', [SystemExit(0)])",
    "raise UnicodeError('\\ud800')",
    "raise Warning('x')",
    "raise Exception('line one\\nline two\\x1b[31m [red]markup[/red]')",
    "raise KeyError from ValueError('first')",
    "endless(0)",
    "next(iter([]))",
    "[next(iter([])) for _ in range(2)]",
    "list(next(iter([])) for _ in range(2))",
    "torch.zeros(3) @ torch.zeros(4)",
    "torch.zeros(2).backward()",
    "torch.empty(2**60)",
    "F.embedding(torch.tensor([99]), torch.zeros(3, 2))",
    "self.nothing",
    "1 / 0",
    "import no_such_module",
    "self.a.weight.numpy()",
)
NOTHING = "pass"


@dataclass(frozen=True)
class Module:
    """What a network of one class is made of.

    Args:
        made: Run in the constructor.
        done: Run in forward.
        when: The mode in which it is run: `self.training`, `not self.training` or `True`.
        training: What forward returns in training.
        evaluation: What it returns in evaluation.
        raised: Run in the pass of this number, from 1.
        step: That number.
    """

    made: tuple[str, ...]
    done: str
    when: str
    training: str
    evaluation: str
    raised: str
    step: int

    def source(self) -> str:
        """Return the source of the file."""
        made = "\n        ".join(self.made)
        return (
            f"{HEAD}class Net(nn.Module):\n    k = 0\n\n    def __init__(self):\n        super().__init__()\n"
            f"        self.a = nn.Linear(64, 10)\n        {made}\n\n"
            f"    def forward(self, x):\n        self.k += 1\n        x = x.flatten(1)\n"
            f"        if self.training and self.k >= {self.step}:\n            {self.raised}\n"
            f"        y = self.a(x)\n        if {self.when}:\n            {self.done}\n"
            f"        if self.training:\n            return {self.training}\n        return {self.evaluation}\n"
        )


def modules() -> st.SearchStrategy[Module]:
    """Draw a module: mostly sound but for one or two of its parts."""
    one = st.integers(0, 3)

    def mostly(usual: str, others: tuple[str, ...]) -> st.SearchStrategy[str]:
        return one.flatmap(lambda number: st.sampled_from(others) if number == 0 else st.just(usual))

    return st.builds(
        Module,
        made=st.lists(st.sampled_from(MADE), min_size=1, max_size=2).map(tuple),
        done=st.one_of(st.just(NOTHING), st.sampled_from(DONE)),
        when=st.sampled_from(("True", "self.training", "not self.training", "self.training and self.k > 3")),
        training=mostly("y", OUTPUTS),
        evaluation=mostly("y", OUTPUTS),
        raised=mostly(NOTHING, RAISED),
        step=st.integers(1, 6),
    )
