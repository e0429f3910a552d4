"""Times PyTorch's operations; `cine bench kernels --peer PYTHON` runs it.

Reads one JSON document: device, threads, how much to measure, and passes of operations with their
sizes (`ssp/bench/src/peer.rs`). Writes one: seconds of each pass, in order. On a GPU features are
bf16 and weights are held in it too, as autocast has them; images are channels-last everywhere.
"""

import json
import math
import sys
import time

import torch
import torch.nn.functional as F

EPSILON, SLOPE = 1e-5, 0.01


class Sizes:
    """Draws the tensors of an operation on its device."""

    def __init__(self, device):
        self.device = device
        self.features = torch.bfloat16 if device == "cuda" else torch.float32

    def normal(self, *shape, dtype=None):
        return torch.randn(shape, device=self.device).to(dtype or self.features)

    def image(self, batch, rows, columns, channels, dtype=None):
        x = self.normal(batch, channels, rows, columns, dtype=dtype)
        return x.contiguous(memory_format=torch.channels_last)

    def of(self, input, shape):
        """Values of the distribution that an input names."""
        if "uniform" in input:
            low, high = input["uniform"]
            return (low + (high - low) * torch.rand(shape, device=self.device)).to(self.features)
        mean, deviation = input["normal"]
        return (mean + deviation * torch.randn(shape, device=self.device)).to(self.features)

    def vector(self, channels):
        return torch.rand(channels, device=self.device) + 0.5


def conv2d(draw, s, name):
    cin, rows = sum(s["inputs"]), s["rows"]
    xs = [draw.image(s["batch"], rows, rows, c) for c in s["inputs"]]
    w = draw.normal(s["out"], cin, s["kernel"], s["kernel"]).contiguous(memory_format=torch.channels_last)
    b = draw.normal(s["out"])
    convolve = lambda x, w, b: F.conv2d(x, w, b, s["stride"], s["kernel"] // 2)
    join = lambda xs: xs[0] if len(xs) == 1 else torch.cat(xs, 1)
    if name == "forward, fused":
        # What the network does around it in as many steps: the features are measured and normalised
        # by one batch norm, activated, joined, convolved.
        k = s["normalised"]
        gamma, beta = draw.vector(s["inputs"][k]), draw.vector(s["inputs"][k])

        def fused(*t):
            xs, (w, b) = list(t[:-2]), t[-2:]
            xs[k] = F.leaky_relu(F.batch_norm(xs[k], None, None, gamma, beta, True, 0.1, EPSILON), SLOPE)
            return convolve(join(xs), w, b)

        return [*xs, w, b], fused
    return [*xs, w, b], lambda *t: convolve(join(t[:-2]), *t[-2:])


def conv_transpose2d(draw, s, name):
    tensors = [
        draw.image(s["batch"], s["rows"], s["rows"], s["from"]),
        draw.normal(s["from"], s["to"], 2, 2).contiguous(memory_format=torch.channels_last),
        draw.normal(s["to"]),
    ]
    return tensors, lambda x, w, b: F.conv_transpose2d(x, w, b, 2)


def batch_norm(draw, s, name):
    x = draw.image(*s["shape"])
    gamma, beta = draw.vector(s["shape"][3]), draw.vector(s["shape"][3])
    norm = lambda x, g, b: F.batch_norm(x, None, None, g, b, True, 0.1, EPSILON)
    return [x, gamma, beta], lambda *t: F.leaky_relu(norm(*t), SLOPE)


def linear(draw, s, name):
    tensors = [
        draw.normal(s["rows"], s["from"]), draw.normal(s["to"], s["from"]), draw.normal(s["to"]),
    ]
    return tensors, F.linear


def weight_norm(draw, s, name):
    magnitude = draw.vector(s["outputs"])[:, None]
    direction = draw.normal(s["outputs"], s["inputs"], dtype=torch.float32)
    return [magnitude, direction], lambda g, v: torch._weight_norm(v, g, 0)


def of_shape(function, image=False):
    """An operation on one tensor, of the shape given."""

    def build(draw, s, name):
        return [draw.image(*s["shape"]) if image else draw.normal(*s["shape"])], function

    return build


def cast(draw, s, name):
    dtypes = {"f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16}
    return [draw.image(*s["shape"], dtype=dtypes[s["from"]])], lambda x: x.to(dtypes[s["to"]])


def concat(draw, s, name):
    return [draw.normal(*shape) for shape in s["shapes"]], lambda *t: torch.cat(t)


def pointwise(draw, s, name):
    """A row of the table of pointwise functions, which has the expression (kernels/src/pointwise)."""
    names = ", ".join(i["name"] for i in s["inputs"])
    return [draw.of(i, s["shape"]) for i in s["inputs"]], eval(f"lambda {names}: {s['expression']}")


def dice_ce(draw, s, name):
    """Losses are computed in float32, as under autocast."""
    classes, scales = s["classes"], s["scales"]
    rows = [s["rows"] >> k for k in range(scales)]
    logits = [draw.image(s["batch"], r, r, classes) for r in rows]
    labels = torch.randint(0, classes, (s["batch"], s["rows"], s["rows"]), device=draw.device)
    weights = torch.tensor([0.0] + [1 / (classes - 1)] * (classes - 1), device=draw.device)

    def loss(*logits):
        total = 0.0
        for k, x in enumerate(logits):
            x = x.float()
            y = F.interpolate(labels[:, None].float(), x.shape[2:], mode="nearest-exact").long()
            entropy = F.cross_entropy(x, y[:, 0])
            p, y = x.softmax(1), torch.zeros_like(x).scatter_(1, y, 1.0)
            overlap, size = (p * y).sum((2, 3)), (p + y).sum((2, 3))
            dice = (2 * overlap + EPSILON) / (size + EPSILON)
            total = total + 2.0**-k * 0.5 * (entropy + 1 - (dice * weights).sum(1).mean())
        return total / sum(2.0**-k for k in range(len(logits)))

    return logits, loss


def masked_error(draw, s, name):
    output, target = draw.image(*s["shape"]), draw.image(*s["shape"])
    mask = (torch.rand(output.shape, device=draw.device) < 0.75).float()
    error = lambda x, y: (((x.float() - y.float()) ** 2) * mask).sum() / mask.sum()
    return [output, target], error


def nt_xent(draw, s, name):
    rows = s["rows"]
    position = torch.arange(rows, device=draw.device) // 2
    if s["positioned"]:
        near = (position[:, None] - position[None]).abs() / rows < 0.1
    else:
        near = position[:, None] == position[None]
    own = torch.eye(rows, dtype=torch.bool, device=draw.device)
    positive = (near & ~own).float()

    def loss(x):
        x = F.normalize(x.float(), dim=1)
        similarity = (x @ x.T / 0.1).masked_fill(own, float("-inf"))
        log = similarity.log_softmax(1).masked_fill(own, 0.0)
        return -((log * positive).sum(1) / positive.sum(1)).mean()

    return [draw.normal(rows, s["width"])], loss


def dino_loss(draw, s, name):
    views, outputs = s["views"], s["outputs"]
    student = draw.normal(views * s["images"], outputs)
    teacher = draw.normal(2 * s["images"], outputs)
    centre = draw.normal(outputs, dtype=torch.float32)

    def loss(student, teacher, centre):
        log = (student.float() / 0.1).log_softmax(1).chunk(views)
        target = ((teacher.float() - centre) / 0.04).softmax(1).chunk(2)
        pairs = [(i, v) for i in range(2) for v in range(views) if i != v]
        return -sum((target[i] * log[v]).sum(1).mean() for i, v in pairs) / len(pairs)

    return [student, teacher, centre], loss


def resample(draw, s, name):
    batch, rows, columns, channels = s["shape"]
    sine, cosine = math.sin(math.pi / 6) * 1.1, math.cos(math.pi / 6) * 1.1
    matrix = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]], device=draw.device)
    x = draw.image(*s["shape"], dtype=torch.float32)

    def sample(x):
        grid = F.affine_grid(matrix.expand(batch, 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, "bicubic", "zeros", align_corners=False)

    return [x], sample


def sgd(draw, s, name):
    parameters = [torch.nn.Parameter(draw.normal(*shape, dtype=torch.float32)) for shape in s["shapes"]]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    rule = torch.optim.SGD(
        parameters, lr=1e-12, momentum=0.99, nesterov=True, weight_decay=3e-5,
        fused=True if draw.device == "cuda" else None,
    )
    return [], rule.step


def moving_average(draw, s, name):
    make = lambda: [draw.normal(*shape, dtype=torch.float32) for shape in s["shapes"]]
    teacher, student = make(), make()
    return [], lambda: torch._foreach_lerp_(teacher, student, 1 - 0.996)


OPERATIONS = {
    "batch_norm": batch_norm, "cast": cast, "concat": concat, "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d, "dice_ce": dice_ce, "dino_loss": dino_loss,
    "l2_normalise": of_shape(lambda x: F.normalize(x.float(), dim=1)),
    "linear": linear, "masked_error": masked_error,
    "moving_average": moving_average, "nt_xent": nt_xent,
    "pool": of_shape(lambda x: x.mean((2, 3)), image=True),
    "reduce": of_shape(torch.mean, image=True), "resample": resample, "sgd": sgd,
    "softmax": of_shape(lambda x: x.softmax(1), image=True), "weight_norm": weight_norm,
}


class Clock:
    """The median over samples, each of which takes some time at least."""

    def __init__(self, request):
        self.cuda = request["device"] == "cuda"
        self.request = request

    def sample(self, run, runs):
        if self.cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(runs):
            run()
        if self.cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / runs

    def median(self, run):
        for _ in range(3):
            one = self.sample(run, 1)
        runs = max(1, min(1000, math.ceil(self.request["sample"] / max(one, 1e-7))))
        started, seconds = time.perf_counter(), []
        while len(seconds) < self.request["samples"]:
            seconds.append(self.sample(run, runs))
            if len(seconds) >= 3 and time.perf_counter() - started > self.request["limit"]:
                break
        return sorted(seconds)[len(seconds) // 2]


def ready(draw, entry):
    """What runs one pass."""
    build = pointwise if "expression" in entry["sizes"] else OPERATIONS[entry["operation"]]
    tensors, function = build(draw, entry["sizes"], entry["pass"])
    if not entry["of"]:
        return torch.no_grad()(lambda: function(*tensors))
    wanted = [tensors[i].requires_grad_() for i in entry["of"]]
    result = function(*tensors)
    cotangent = torch.randn_like(result)
    return lambda: torch.autograd.grad(result, wanted, cotangent, retain_graph=True)


def product(clock):
    """Floating-point operations per second of a large matrix product in bf16."""
    n = 8192
    a, b = (torch.randn(n, n, device="cuda").bfloat16() for _ in range(2))
    return 2 * n**3 / clock.median(lambda: a @ b)


def main():
    request = json.load(sys.stdin)
    device, clock = request["device"], Clock(request)
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} finds no GPU")
    torch.manual_seed(0)
    torch.set_num_threads(request["threads"])
    torch.backends.cudnn.benchmark = True
    draw = Sizes(device)
    answer = {"product_flop_per_s": None, "product": None, "seconds": [], "refused": []}
    dtype = str(draw.features).removeprefix("torch.")
    answer["what"] = f"PyTorch {torch.__version__} on {device}, features in {dtype}"
    if device == "cuda":
        answer["product_flop_per_s"] = product(clock)
        answer["product"] = f"PyTorch {torch.__version__}, bf16, 8192^3"
    ends, late = time.perf_counter() + request["budget"], False
    for entry in request["passes"]:
        seconds = None
        late = late or time.perf_counter() > ends
        if not late and entry["sizes"] is not None:
            try:
                seconds = clock.median(ready(draw, entry))
            except Exception as error:  # reported, not hidden
                why = str(error).split("\n")[0][:200]
                answer["refused"].append(f"{entry['operation']} {entry['pass']}: {why}")
        answer["seconds"].append(seconds)
    if late:
        answer["refused"].append(f"what came after {request['budget']:.0f} s")
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
