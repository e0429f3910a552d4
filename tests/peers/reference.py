"""The study's networks, losses and schedules in plain PyTorch.

This is the peer that the Rust engine is held against: `parity/generate.py` draws golden values
from it and `bench.py` times it.
Parameter names are the published checkpoints' names, so a state dict moves between the two without
renaming. Tensors are NCHW.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

PAPER_CHANNELS = [32, 64, 128, 256, 512, 512, 512]


class Block(nn.Module):
    """Two 3x3 convolutions, each followed by batch norm and leaky ReLU (slope 0.01)."""

    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride=stride, padding=1)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(cout)

    def forward(self, x):
        x = F.leaky_relu(self.bn1(self.conv1(x)), 0.01)
        return F.leaky_relu(self.bn2(self.conv2(x)), 0.01)


class Encoder(nn.Module):
    """One block per channel count; every block after the first halves the resolution."""

    def __init__(self, cin, channels):
        super().__init__()
        ins = [cin, *channels[:-1]]
        self.enc_blocks = nn.ModuleList(
            Block(i, o, 1 if k == 0 else 2) for k, (i, o) in enumerate(zip(ins, channels))
        )

    def forward(self, x):
        features = []
        for block in self.enc_blocks:
            x = block(x)
            features.append(x)
        return features


class Decoder(nn.Module):
    """Transposed 2x2 convolution, concatenation (upsampled first, skip second), block; per level.

    `scales` counts the resolutions with an output head: n > 0 the n finest, 0 all of them,
    n < 0 all but the -n coarsest. Outputs come finest first.
    """

    def __init__(self, channels, classes, scales):
        super().__init__()
        up = channels[::-1]
        n = len(up)
        self.upconvs = nn.ModuleList(
            nn.ConvTranspose2d(up[i - 1], up[i], 2, stride=2) for i in range(1, n)
        )
        self.dec_blocks = nn.ModuleList(Block(2 * up[i], up[i]) for i in range(1, n))
        heads = n if scales == 0 else min(n, scales) if scales > 0 else max(1, n + scales)
        self.output_convs = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in up[n - heads :])
        self.first_head = n - heads

    def forward(self, features):
        x, skips = features[-1], features[-2::-1]
        outputs = []
        for level, (upconv, block, skip) in enumerate(zip(self.upconvs, self.dec_blocks, skips)):
            if level >= self.first_head:
                outputs.append(self.output_convs[level - self.first_head](x))
            x = block(torch.cat([upconv(x), skip], 1))
        outputs.append(self.output_convs[-1](x))
        return outputs[::-1]


class UNet2d(nn.Module):
    def __init__(self, channels=PAPER_CHANNELS, classes=4, scales=-1, cin=1):
        super().__init__()
        self.encoder = Encoder(cin, channels)
        self.decoder = Decoder(channels, classes, scales)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Mlp(nn.Module):
    """Linear layers with ReLU between them, none after the last."""

    def __init__(self, cin, widths):
        super().__init__()
        layers = []
        for k, (i, o) in enumerate(zip([cin, *widths[:-1]], widths)):
            layers += ([nn.LeakyReLU(0.0)] if k else []) + [nn.Linear(i, o)]
        self.mlp = nn.Sequential(*layers)

    def forward(self, x):
        return self.mlp(x)


class EncoderMlp(nn.Module):
    """Encoder, global average pool of its deepest features, projection MLP (SimCLR and PCL)."""

    def __init__(self, channels=PAPER_CHANNELS, widths=(512, 512, 512), cin=1):
        super().__init__()
        self.encoder = Encoder(cin, channels)
        self.mlp = Mlp(channels[-1], list(widths))

    def forward(self, x):
        return self.mlp(self.encoder(x)[-1].mean((2, 3)))


class DinoHead(nn.Module):
    """3-layer MLP with batch norm and GELU, L2 normalisation, weight-normalised last layer.

    The last layer's magnitude is fixed at one.
    """

    def __init__(self, cin, out, hidden=2048, bottleneck=256):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(cin, hidden), nn.BatchNorm1d(hidden), nn.GELU(),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        for m in self.mlp:
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                nn.init.zeros_(m.bias)
        self.last_layer = nn.utils.parametrizations.weight_norm(
            nn.Linear(bottleneck, out, bias=False)
        )
        magnitude = self.last_layer.parametrizations.weight.original0
        magnitude.data.fill_(1.0)
        magnitude.requires_grad = False

    def forward(self, x):
        return self.last_layer(F.normalize(self.mlp(x), dim=-1))


class DinoNet(nn.Module):
    """Encoder and head over two global crops and `local` local crops per image.

    Globals arrive view-major ([2B]); locals arrive image-major ([B * local]) and their features
    are reordered view-major, so the head sees [2B + local * B] rows, B per view.
    """

    def __init__(self, channels=PAPER_CHANNELS, out=8192, local=6, hidden=2048, bottleneck=256):
        super().__init__()
        self.encoder = Encoder(1, channels)
        self.head = DinoHead(channels[-1], out, hidden, bottleneck)
        self.local = local

    def forward(self, x_global, x_local=None):
        features = self.encoder(x_global)[-1].mean((2, 3))
        if x_local is not None:
            f = self.encoder(x_local)[-1].mean((2, 3))
            features = torch.cat([features, *(f[i :: self.local] for i in range(self.local))])
        return self.head(features)


def nt_xent(features, labels=None, temperature=0.1, threshold=0.1, cyclic=False):
    """Normalised temperature-scaled cross entropy over rows that come in augmented pairs.

    Without labels (SimCLR) a row's positive is its pair (2k, 2k+1). With labels (PCL) positives
    are all other rows with |label difference| < threshold; cyclic folds the difference at 0.5.
    Each row's loss is the mean over its positives; the result is the mean over rows.
    """
    n = len(features)
    other = 1.0 - torch.eye(n, dtype=features.dtype, device=features.device)
    if labels is None:
        idx = torch.arange(n, device=features.device)
        positive = (idx[:, None] == (idx ^ 1)[None]).to(features.dtype)
    else:
        d = (labels[None] - labels[:, None]).abs()
        if cyclic:
            d = ((d > 0.5).to(d.dtype) - d).abs()
        positive = (d < threshold).to(features.dtype) * other
    sim = F.cosine_similarity(features[:, None], features[None], dim=-1) / temperature
    log_prob = sim - torch.log((sim.exp() * other).sum(1, keepdim=True))
    return -((log_prob * positive).sum(1) / positive.sum(1)).mean()


def dino_loss(student, teacher, center, crops, student_temp, teacher_temp):
    """Cross entropy of every student view against the other global teacher view, averaged."""
    views = (student / student_temp).chunk(crops)
    targets = ((teacher - center) / teacher_temp).softmax(-1).detach().chunk(2)
    terms = [
        -(q * v.log_softmax(-1)).sum(-1).mean()
        for i, q in enumerate(targets)
        for j, v in enumerate(views)
        if i != j
    ]
    return sum(terms) / len(terms)


def mim_loss(output, target, mask):
    """Mean squared error over the masked pixels only."""
    return ((output * mask - target * mask) ** 2).sum() / mask.sum()


def dice_ce(logits, onehot, class_weights=(0.0, 1.0, 1.0, 1.0), smooth=1e-5):
    """(0.5 CE + 0.5 Dice, CE, Dice); Dice per image and class, class-weighted, then averaged."""
    w = torch.tensor(class_weights, dtype=logits.dtype, device=logits.device)
    w = w / w.sum()
    ce = F.cross_entropy(logits, onehot)
    p = logits.softmax(1)
    inter = (p * onehot).sum((2, 3))
    dice = (2 * inter + smooth) / (p.sum((2, 3)) + onehot.sum((2, 3)) + smooth)
    dl = ((1 - dice) * w).sum() / len(logits)
    return torch.stack([0.5 * ce + 0.5 * dl, ce, dl])


def multi_scale_loss(outputs, onehot):
    """Dice-CE at every output scale, weights 1, 1/2, 1/4 ... normalised; nearest-exact labels."""
    weights = 2.0 ** -torch.arange(len(outputs), dtype=torch.float64)
    weights = (weights / weights.sum()).to(outputs[0].dtype)
    total = 0
    for w, out in zip(weights.tolist(), outputs):
        target = F.interpolate(onehot, size=out.shape[2:], mode="nearest-exact")
        total = total + w * dice_ce(out, target)
    return total


def dice_metric(logits, onehot, classes=(1, 2, 3)):
    """Hard Dice per class, mean over the batch; 1 where both are empty, 0 where only one is."""
    pred = F.one_hot(logits.argmax(1), logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    pred, onehot = pred[:, list(classes)], onehot[:, list(classes)]
    axes = tuple(range(2, pred.dim()))
    p, t, i = pred.sum(axes), onehot.sum(axes), (pred * onehot).sum(axes)
    dice = torch.where(p + t == 0, torch.ones_like(p), 2 * i / (p + t).clamp(min=1))
    return dice.mean(0)


def warmup_cosine(base, final, epochs, steps_per_epoch, warmup_epochs=0):
    """Per-step schedule: linear from 0 to base, then half a cosine from base to final."""
    warm = warmup_epochs * steps_per_epoch
    total = epochs * steps_per_epoch
    ramp = [base * k / (warm - 1) if warm > 1 else 0.0 for k in range(warm)]
    rest = total - warm
    return ramp + [
        final + 0.5 * (base - final) * (1 + math.cos(math.pi * k / rest)) for k in range(rest)
    ]
