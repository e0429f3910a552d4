"""Weights files as PyTorch writes them, for `nn/tests/pytorch.rs`.

    python nn/tests/pytorch/generate.py

writes them beside this script; it needs torch only. Every file is of one small network (two
resolutions, 4 classes), named as the published code names it. `twin.safetensors` has its values,
which all readable files share: they are multiples of 1/8 below 16, so that float16 and bfloat16
have them exactly.
"""

import collections
import json
import os
import struct
import sys
import zipfile
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "tests" / "peers"))
sys.dont_write_bytecode = True

from reference import UNet2d  # noqa: E402


def network():
    net = UNet2d(channels=[2, 3], classes=4, scales=1)
    step = 0
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            flat = torch.arange(value.numel(), dtype=value.dtype)
            value.copy_((((flat * 5 + step) % 121 - 60) / 8).reshape(value.shape))
            if name.endswith("running_var"):
                value.abs_()
        else:
            value.fill_(7)
        step += 11
    return net


def write_safetensors(path, state):
    """The format is a length, a JSON header and the bytes."""
    header, body = {}, b""
    types = {torch.float32: "F32", torch.int64: "I64"}
    for name, value in state.items():
        data = value.contiguous().numpy().tobytes()
        header[name] = {
            "dtype": types[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def converted(state, dtype):
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}


def one_storage(state):
    """Every float tensor a view of one storage, end to end."""
    floats = {k: v for k, v in state.items() if v.is_floating_point()}
    storage = torch.cat([v.flatten() for v in floats.values()])
    views, at = {}, 0
    for name, value in floats.items():
        views[name] = storage[at : at + value.numel()].view(value.shape)
        at += value.numel()
    return {**state, **views}


class Hostile:
    """Unpickled by Python, it runs a program."""

    def __reduce__(self):
        return os.system, ("echo run",)


def overlapping():
    return {"encoder.enc_blocks.0.conv1.weight": torch.zeros(1).expand(1000, 1000)}


def repacked(source, target, change):
    """A copy of an archive with some entries other than they were."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            name = entry.filename.split("/", 1)[1]
            new.writestr(entry.filename, change(name, old.read(entry)))


def main():
    os.chdir(HERE)
    net = network()
    state = net.state_dict()
    plain = dict(state)
    write_safetensors(HERE / "twin.safetensors", state)

    files = {
        "plain": plain,
        "ordered": state,  # an OrderedDict with `_metadata`
        "float16": converted(state, torch.float16),
        "bfloat16": converted(state, torch.bfloat16),
        "float64": converted(state, torch.float64),
        "channels_last": network().to(memory_format=torch.channels_last).state_dict(),
        "one_storage": one_storage(state),
        "parameters": {**plain, **dict(net.named_parameters())},
        "wrapped": {
            "state_dict": state,
            "epoch": 3,
            "loss": [0.5, 0.25],
            "best": None,
            "big": 1 << 80,
            "optimizer": {"state": {0: {"step": torch.tensor(5.0)}}, "param_groups": [{"lr": 0.1}]},
        },
        "data_parallel": {"model": nn.DataParallel(net).state_dict(), "done": True},
        "nested": {
            part: collections.OrderedDict(
                (k.split(".", 1)[1], v) for k, v in state.items() if k.startswith(part)
            )
            for part in ("encoder", "decoder")
        },
        "hostile": {**plain, "note": Hostile()},
        "whole_model": net,
        "overlapping": overlapping(),
    }
    for name, content in files.items():
        torch.save(content, f"{name}.pt")
    torch.save(state, "protocol4.pt", pickle_protocol=4)
    torch.save(state, "legacy.pt", _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    torch.save(state, "no_checksums.pt")
    torch.serialization.set_crc32_options(True)

    small = nn.Conv2d(1, 2, 1)
    torch.jit.save(torch.jit.script(small), "script.pt")
    repacked(
        "plain.pt", "big_endian.pt", lambda name, data: b"big" if name == "byteorder" else data
    )


if __name__ == "__main__":
    main()
