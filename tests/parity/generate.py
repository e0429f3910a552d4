"""Draws golden cases from the PyTorch peer; the Rust engine must reproduce them.

    python generate.py --seed 0 --out cases        (needs torch, numpy, safetensors)

Everything is computed in float64 from inputs and parameters that are exact in float32.
One .safetensors file per case. Its metadata holds `kind` and `config` (JSON). Tensor names start
with what they are: `in.` inputs, `param.` parameters and buffers before the step (published
checkpoint names), `out.` results, `grad.` d out.loss / d parameter (or input), `after.` parameters
and buffers after the optimiser steps. README.md beside this file defines each kind.
"""

import argparse
import json
import math
import pathlib
import random
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
import reference as ref


def exact(t):
    """Rounds to float32 and returns float64, so that `in.` and `param.` lose nothing on disk."""
    return t.float().double()


def randn(*shape):
    return exact(torch.randn(*shape))


def flat(prefix, tensors):
    return {f"{prefix}.{k}": v.detach().clone().contiguous() for k, v in tensors.items()}


class Writer:
    def __init__(self, out):
        self.out = pathlib.Path(out)
        self.out.mkdir(parents=True, exist_ok=True)

    def __call__(self, name, kind, config, tensors):
        given = ("in.", "param.")
        tensors = {
            k: v.float() if v.is_floating_point() and k.startswith(given) else v
            for k, v in ((k, v.detach().contiguous()) for k, v in tensors.items())
        }
        meta = {"kind": kind, "config": json.dumps(config)}
        save_file(tensors, self.out / f"{name}.safetensors", metadata=meta)


def randomise(net):
    """Moves batch-norm affine parameters and buffers off their defaults, so that each matters."""
    for m in net.modules():
        if isinstance(m, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.uniform_(-0.3, 0.3)
            m.running_mean.uniform_(-0.2, 0.2)
            m.running_var.uniform_(0.5, 1.5)
    for t in [*net.parameters(), *net.buffers()]:
        if t.is_floating_point():
            t.data = exact(t.data)


def onehot(n, h, w, classes=4):
    """Nested blobs, not noise: background, ring, cavity, neighbour; some images lack a class."""
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    labels = torch.zeros(n, h, w, dtype=torch.long)
    for k in range(n):
        cy, cx = random.uniform(0.35, 0.65) * h, random.uniform(0.35, 0.65) * w
        r = ((y - cy) ** 2 + (x - cx) ** 2).sqrt() / min(h, w)
        side = ((y - cy) ** 2 + (x - cx + 0.3 * w) ** 2).sqrt() / min(h, w)
        if k % 3 != 2:
            labels[k][side < 0.18] = 3
        labels[k][r < 0.22] = 2
        labels[k][r < 0.12] = 1
    return F.one_hot(labels, classes).movedim(-1, 1).double()


def train_steps(net, loss_of, opt_config, schedule, steps):
    """Runs `steps` optimiser steps; returns first-step outputs and gradients, then final state."""
    params = [p for p in net.parameters() if p.requires_grad]
    opt = torch.optim.SGD(params, lr=opt_config["learning_rate"], momentum=opt_config["momentum"],
                          nesterov=opt_config["nesterov"], weight_decay=opt_config["weight_decay"])
    tensors, losses = flat("param", net.state_dict()), []
    for step in range(steps):
        opt.param_groups[0]["lr"] = schedule[step]
        opt.zero_grad()
        loss, outs = loss_of()
        loss.backward()
        if step == 0:
            tensors |= flat("out", outs)
            tensors |= flat("grad", {k: p.grad for k, p in net.named_parameters()
                                     if p.grad is not None})
        opt.step()
        losses.append(loss.detach())
    tensors["out.losses"] = torch.stack(losses)
    return tensors | flat("after", net.state_dict())


def unet_cases(write, tag, channels, size, batch, scales, steps=3):
    net = ref.UNet2d(channels, scales=scales)
    randomise(net)
    x, y = randn(batch, 1, *size), onehot(batch, *size)
    opt = {"learning_rate": 0.01, "momentum": 0.99, "nesterov": True, "weight_decay": 3e-5}
    poly = [0.01 * (1 - k / 1000) ** 0.9 for k in range(steps)]

    def loss_of():
        outs = net(x)
        losses = ref.multi_scale_loss(outs, y)
        named = {f"logits{k}": o for k, o in enumerate(outs)}
        return losses[0], named | {"loss": losses, "dice": ref.dice_metric(outs[0], y)}

    tensors = train_steps(net, loss_of, opt, poly, steps)
    net.eval()
    with torch.no_grad():
        tensors |= {"in.image": x, "in.onehot": y, "out.eval_logits0": net(x)[0]}
    write(f"unet-{tag}", "unet_train",
          {"channels": channels, "classes": 4, "scales": scales, "optimizer": opt,
           "learning_rates": poly, "class_weights": [0, 1, 1, 1]}, tensors)


def mim_case(write, tag, channels, size, batch, patch, ratio):
    net = ref.UNet2d(channels, classes=1, scales=1)
    randomise(net)
    x = randn(batch, 1, size, size)
    cells = (size // patch) ** 2
    mask = torch.zeros(batch, cells)
    for row in mask:
        row[torch.randperm(cells)[: round(ratio * cells)]] = 1
    mask = mask.view(batch, 1, size // patch, size // patch)
    mask = mask.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    opt = {"learning_rate": 0.01, "momentum": 0.99, "nesterov": True, "weight_decay": 3e-5}
    cosine = [0.5 * 0.01 * (1 + math.cos(math.pi * k / 100)) for k in range(2)]

    def loss_of():
        out = net(x * (1 - mask))[0]
        loss = ref.mim_loss(out, x, mask)
        return loss, {"reconstruction": out, "loss": loss}

    tensors = train_steps(net, loss_of, opt, cosine, 2)
    write(f"mim-{tag}", "mim_train",
          {"channels": channels, "patch": patch, "ratio": ratio, "fill": 0.0, "optimizer": opt,
           "learning_rates": cosine}, tensors | {"in.image": x, "in.mask": mask})


def contrastive_case(write, tag, channels, widths, size, pairs, labels, threshold, cyclic):
    net = ref.EncoderMlp(channels, widths)
    randomise(net)
    x = randn(2 * pairs, 1, size, size)
    x[1::2] = exact(x[::2] + 0.3 * randn(pairs, 1, size, size))
    lab = None if labels is None else exact(torch.tensor(labels)).repeat_interleave(2)
    opt = {"learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4}

    def loss_of():
        f = net(x)
        loss = ref.nt_xent(f, lab, 0.1, threshold, cyclic)
        return loss, {"features": f, "loss": loss}

    tensors = train_steps(net, loss_of, opt, [0.1, 0.1], 2) | {"in.image": x}
    if lab is not None:
        tensors["in.labels"] = lab
    write(f"{'simclr' if lab is None else 'pcl'}-{tag}", "contrastive_train",
          {"channels": channels, "mlp": widths, "temperature": 0.1, "threshold": threshold,
           "cyclic": cyclic, "optimizer": opt, "learning_rates": [0.1, 0.1]}, tensors)


def nt_xent_case(write, tag, n, width, labels, threshold, cyclic, temperature, scale):
    f = exact(scale * randn(n, width)).requires_grad_()
    lab = None if labels is None else exact(torch.tensor(labels))
    loss = ref.nt_xent(f, lab, temperature, threshold, cyclic)
    loss.backward()
    tensors = {"in.features": f.detach(), "out.loss": loss.detach(), "grad.features": f.grad}
    if lab is not None:
        tensors["in.labels"] = lab
    write(f"ntxent-{tag}", "nt_xent",
          {"temperature": temperature, "threshold": threshold, "cyclic": cyclic}, tensors)


def dino_case(write, tag, channels, size, batch, local, out, hidden, bottleneck, steps=3):
    torch_kwargs = dict(channels=channels, out=out, local=local, hidden=hidden,
                        bottleneck=bottleneck)
    student, teacher = ref.DinoNet(**torch_kwargs), ref.DinoNet(**torch_kwargs)
    randomise(student)
    randomise(teacher)
    g = randn(2 * batch, 1, size, size)
    l = randn(batch * local, 1, size // 2, size // 2)
    center = exact(0.1 * randn(1, out))
    tensors = flat("param.student", student.state_dict())
    tensors |= flat("param.teacher", teacher.state_dict())
    tensors |= {"in.global": g, "in.local": l, "in.center": center.clone()}
    decay = [p for n, p in student.named_parameters()
             if p.requires_grad and not (n.endswith(".bias") or p.dim() == 1)]
    plain = [p for n, p in student.named_parameters()
             if p.requires_grad and (n.endswith(".bias") or p.dim() == 1)]
    opt = torch.optim.SGD([{"params": decay}, {"params": plain, "weight_decay": 0.0}],
                          lr=0.0, momentum=0.9, weight_decay=1e-4)
    rates = ref.warmup_cosine(0.03 * 64 / 256, 1e-6, 4, 2, 1)[1 : steps + 1]
    momenta = ref.warmup_cosine(0.996, 1.0, 4, 2)[:steps]
    temps, freeze_steps, losses = [0.02, 0.03, 0.04][:steps], 1, []
    for step in range(steps):
        s = student(g, l)
        with torch.no_grad():
            t = teacher(g)
        loss = ref.dino_loss(s, t, center, 2 + local, 0.1, temps[step])
        center = 0.9 * center + 0.1 * t.mean(0, keepdim=True)
        for group in opt.param_groups:
            group["lr"] = rates[step]
        opt.zero_grad()
        loss.backward()
        if step == 0:
            tensors |= {"out.student": s.detach(), "out.teacher": t, "out.center": center.clone()}
            tensors |= flat("grad", {k: p.grad for k, p in student.named_parameters()
                                     if p.grad is not None})
        if step < freeze_steps:
            for n, p in student.named_parameters():
                if "last_layer" in n:
                    p.grad = None
        opt.step()
        with torch.no_grad():
            for q, k in zip(student.parameters(), teacher.parameters()):
                k.mul_(momenta[step]).add_((1 - momenta[step]) * q)
        losses.append(loss.detach())
    tensors["out.losses"] = torch.stack(losses)
    tensors |= flat("after.student", student.state_dict())
    tensors |= flat("after.teacher", teacher.state_dict()) | {"after.center": center}
    write(f"dino-{tag}", "dino_train",
          {"channels": channels, "local": local, "out": out, "hidden": hidden,
           "bottleneck": bottleneck, "student_temp": 0.1, "teacher_temps": temps,
           "center_momentum": 0.9, "learning_rates": rates, "teacher_momenta": momenta,
           "frozen_last_layer_steps": freeze_steps, "sgd_momentum": 0.9,
           "weight_decay": 1e-4}, tensors)


def resample_case(write, tag, shape, pixdim, target, target_pixdim, angle, scale, flip, shift,
                  center):
    """One image (bicubic) and its labels (nearest) through the study's augmentation geometry."""
    image = randn(1, 1, *[max(2, s // 4) for s in shape])
    image = exact(F.interpolate(image, size=shape, mode="bicubic", align_corners=False))
    labels = onehot(1, *shape).argmax(1, keepdim=True).double()

    def scaling(s):
        return torch.tensor([[s[1], 0, 0], [0, s[0], 0], [0, 0, 1.0]])

    def translation(t):
        return torch.tensor([[1, 0, t[1]], [0, 1, t[0]], [0, 0, 1.0]])

    a = math.radians(angle)
    rotation = torch.tensor([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0],
                             [0, 0, 1.0]])
    real = [target[k] * target_pixdim[k] / (shape[k] * pixdim[k]) for k in range(2)]
    signed = [scale[k] * (-1 if flip[k] else 1) for k in range(2)]
    m = scaling(real) @ rotation @ scaling(signed)
    m = m @ translation([2 * shift[k] / target[k] for k in range(2)])
    if center is not None:
        m = translation([2 * center[k] / (shape[k] - 1) - 1 for k in range(2)]) @ m
    grid = F.affine_grid(m[None, :2], [1, 1, *target], align_corners=False)
    kwargs = {"align_corners": False, "padding_mode": "zeros"}
    tensors = {"in.image": image, "in.labels": labels, "out.matrix": m,
               "out.image": F.grid_sample(image, grid, mode="bicubic", **kwargs),
               "out.labels": F.grid_sample(labels, grid, mode="nearest", **kwargs)}
    back = F.affine_grid(torch.inverse(m)[None, :2], [1, 1, *shape], align_corners=False)
    tensors["out.inverse"] = F.grid_sample(tensors["out.image"], back, mode="bicubic",
                                           align_corners=False, padding_mode="border")
    write(f"resample-{tag}", "resample",
          {"pixdim": pixdim, "target": target, "target_pixdim": target_pixdim,
           "rotation_degrees": angle, "scale": scale, "flip": flip, "translation": shift,
           "center": center}, tensors)


def intensity_case(write, tag, size, sigma, factor, offset, gamma, threshold):
    x = randn(1, 1, *size)

    def kernel(s):
        tail = int(max(s * 4.0, 0.5) + 0.5)
        u = torch.arange(-tail, tail + 1, dtype=torch.float64)
        t = 0.70710678 / abs(s)
        return (0.5 * ((t * (u + 0.5)).erf() - (t * (u - 0.5)).erf())).clamp(min=0)

    ky, kx = kernel(sigma[0]), kernel(sigma[1])
    smooth = F.conv2d(x, ky.view(1, 1, -1, 1), padding=(len(ky) // 2, 0))
    smooth = F.conv2d(smooth, kx.view(1, 1, 1, -1), padding=(0, len(kx) // 2))
    lo, spread = x.min(), x.max() - x.min()
    top = x.max()
    write(f"intensity-{tag}", "intensity",
          {"sigma": sigma, "factor": factor, "offset": offset, "gamma": gamma,
           "solarize_threshold": threshold},
          {"in.image": x, "out.standardized": (x - x.mean()) / x.std(), "out.smooth": smooth,
           "out.scaled": x * (1 + factor), "out.shifted": x + offset,
           "out.contrast": ((x - lo) / (spread + 1e-7)) ** gamma * spread + lo,
           "out.solarized": torch.where(x > threshold, top - x, x)})


def dice_case(write, tag, batch, size):
    target = onehot(batch, *size)
    logits = exact(randn(batch, 4, *size) + 2 * target.roll(3, -1))
    logits[0, 1:] -= 100  # nothing predicted: one side empty, or both where the class is absent
    write(f"dice-{tag}", "dice_metric", {"classes": [1, 2, 3]},
          {"in.logits": logits, "in.onehot": target, "out.dice": ref.dice_metric(logits, target)})


def schedule_case(write, tag, epochs, steps, warmup):
    poly = [0.01 * (1 - k / epochs) ** 0.9 for k in range(epochs)]
    cosine = [0.5 * 0.1 * (1 + math.cos(math.pi * k / epochs)) for k in range(epochs)]
    warm = ref.warmup_cosine(0.0075, 1e-6, epochs, steps, warmup)
    ema = ref.warmup_cosine(0.996, 1.0, epochs, steps)
    write(f"schedule-{tag}", "schedules",
          {"epochs": epochs, "steps_per_epoch": steps, "warmup_epochs": warmup,
           "polynomial": {"base": 0.01, "power": 0.9}, "cosine": {"base": 0.1, "min": 0.0},
           "warmup_cosine": {"base": 0.0075, "final": 1e-6},
           "teacher_momentum": {"base": 0.996, "final": 1.0}},
          {"out.polynomial": torch.tensor(poly), "out.cosine": torch.tensor(cosine),
           "out.warmup_cosine": torch.tensor(warm), "out.teacher_momentum": torch.tensor(ema)})


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", default="cases")
    args = p.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    write, s = Writer(args.out), args.seed
    extra = s % 3  # other seeds draw other shapes too

    unet_cases(write, "all-scales", [6, 8 + extra, 12], (16, 24), 3, 0)
    unet_cases(write, "paper-heads", [4, 6, 8, 8 + 2 * extra], (32, 32), 3, -1)
    unet_cases(write, "one-head", [5, 7 + extra], (20, 12), 2, 1)
    mim_case(write, "fill", [4, 6, 8 + extra], 32, 4, 8, 0.75)
    contrastive_case(write, "pairs", [4, 6, 8], [8, 8, 6 + extra], 16, 5 + extra, None, None, False)
    contrastive_case(write, "positions", [4, 6], [8, 6], 16, 6,
                     [0.0, 0.08, 0.2, 0.55, 0.61, 0.95], 0.1, False)
    contrastive_case(write, "cyclic", [4, 6], [8, 6], 16, 4, [0.02, 0.5, 0.55, 0.97], 0.1, True)
    nt_xent_case(write, "pairs", 12 + 2 * extra, 16, None, None, False, 0.1, 1.0)
    nt_xent_case(write, "wide", 64, 128, None, None, False, 0.07, 5.0)
    nt_xent_case(write, "positions", 8, 16, [0.1, 0.1, 0.15, 0.15, 0.6, 0.6, 0.9, 0.9], 0.1, False,
                 0.1, 1.0)
    nt_xent_case(write, "cold", 10, 32, None, None, False, 0.01, 0.2)
    dino_case(write, "multicrop", [4, 6, 8], 32, 4, 2 + extra, 24, 20, 10)
    resample_case(write, "plain", (40, 52), [1.4, 1.4], [32, 32], [1.25, 1.25], 0.0, [1, 1],
                  [False, False], [0, 0], None)
    resample_case(write, "full", (37, 61), [1.1, 1.7], [48, 40], [1.25, 1.25], 33.0 + 20 * extra,
                  [1.2, 1.2], [True, False], [5.5, -9.25], [14.2, 33.9])
    resample_case(write, "far", (24, 24), [2.0, 2.0], [64, 64], [1.25, 1.25], -141.0, [0.7, 0.7],
                  [False, True], [-40.0, 40.0], [3.0, 20.0])
    intensity_case(write, "mixed", (28, 33), [0.6 + 0.2 * extra, 1.4], 0.75, -0.3, 1.3, 0.0)
    intensity_case(write, "strong", (16, 16), [1.5, 0.5], 1.5, 0.4, 0.7, 0.5)
    dice_case(write, "edge", 4, (24, 24))
    schedule_case(write, "short", 6 + extra, 5, 2)


if __name__ == "__main__":
    main()
