#!/usr/bin/env python3
"""Turns what run.sh left into docs/gpu.md.

    tests/gpu/report.py target/gpu/results [MORE...] > docs/gpu.md

Several folders of one machine are joined, as of calls that ran some steps each; of what is in more
than one the last counts. Without a folder it writes the page for when nothing was measured yet.
"""

import json
import sys
from pathlib import Path

TASKS = ["unet", "simclr", "pcl", "dino", "mim"]

HOW = """
## How to measure

```
tests/gpu/pack.sh                                    # here: builds and strips into target/gpu
tests/gpu/run.sh                                     # on the machine with a GPU
tests/gpu/report.py target/gpu/results > docs/gpu.md
```

The machine needs the driver, NVRTC (the CUDA toolkit's) and the files of this repository with
`target/gpu`; no Rust. With a Python that has PyTorch (`PYTHON=...`) PyTorch is timed in the same
sitting. One call takes less than ten minutes; `tests/gpu/run.sh peers autotune` takes up what had no
time left. `tests/gpu/run.sh --device cpu` rehearses it all where there is no GPU.

## What the columns of kernels mean

A row is one pass of an operation on one shape of the network. TFLOP/s counts the products of
convolutions and linear layers, two operations each. GB/s counts the bytes that must be read and
written at least, by a formula per case (`ssp/bench/src/cases`): every tensor once, and twice where no
value can be finished before all were seen, as in batch norm. `share` is the time that the row would
take at the nearer of two ceilings, measured in the same sitting, divided by the time that it took: a
large copy in the device's memory, and a large matrix product (PyTorch's in bf16 where it is there, else
the faster of our own linear layer and convolution). Where tensors fit a cache the copy's share can pass
100%. The machine should have nothing else to do: threads of PyTorch that wait for a busy processor make
it many times slower. The ratio is PyTorch's time divided by ours, above 1 where we are faster. Launches are queued back
to back, so that a kernel shorter than its launch shows the launch.

`fused` is the convolution as the network runs it: its input normalised and activated while it is read,
mean and variance of the result taken on the way. PyTorch's time beside it is that of batch norm,
leaky ReLU and convolution; beside a fused weight gradient, of the plain one.
"""

MISSING = """# On a GPU

**No figures were measured on a GPU yet.** The kernels were checked on an emulated one (see
[design.md](design.md)); none has met hardware. Missing are:

- agreement of every operation with the CPU, gradients against finite differences and golden cases of
  PyTorch, on hardware;
- a short training of each task beside the CPU's;
- `cine bench kernels`: time, TFLOP/s, GB/s and share of the ceilings of every operation on the shapes of
  the study's network, beside PyTorch's operations;
- `cine bench train`: one optimiser step of each task, with its peak memory, beside the best variant of
  `tests/peers/bench.py` (bf16, channels-last, compiled with `max-autotune`).
"""


def table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def digits(number, count=3):
    if number is None:
        return "-"
    return f"{number:.{count}g}" if abs(number) < 10**count else f"{number:.0f}"


class Results:
    """What several folders hold, of what is in more than one the last."""

    def __init__(self, folders):
        self.machine, self.steps, self.kernels, self.training = {}, {}, {}, {}
        self.ours, self.peers, self.agreement = {}, {}, {}
        for folder in folders:
            self.read(Path(folder))

    def read(self, folder):
        def lines(name):
            path = folder / name
            return path.read_text().splitlines() if path.exists() else []

        self.machine.update(line.split("=", 1) for line in lines("machine.txt"))
        for line in lines("steps.tsv"):
            name, outcome, seconds = line.split("\t")
            self.steps[name] = (outcome, seconds)
        for path in sorted(folder.glob("kernels-*.json")):
            self.kernels[path.stem.removeprefix("kernels-")] = json.loads(path.read_text())
        for path in sorted((folder / "training").glob("*.tsv")):
            rows = [line.split("\t") for line in path.read_text().splitlines()]
            self.training[path.stem] = [[float(cell) for cell in row] for row in rows]
        for line in lines("train.jsonl"):
            found = json.loads(line)
            self.ours[found["task"], found.get("dtype", "f32")] = found
        for line in lines("peers.jsonl"):
            found = json.loads(line)
            if "step_ms" in found:
                self.peers[found["task"], variant(found)] = found
        for line in lines("devices.log"):
            name, _, found = line.partition(" ")
            if found.strip().startswith("f64 ") and "e" in found:
                self.agreement.setdefault(name, found.strip())


def variant(found):
    names = ["bf16" if found["bf16"] else "float32"]
    names += ["channels-last"] * found["channels_last"]
    if found["compile"]:
        mode = found.get("compile_mode", "default")
        names.append("compiled" if mode == "default" else f"compiled ({mode})")
    return ", ".join(names)


def checks(results):
    rows = [(name, outcome, seconds) for name, (outcome, seconds) in results.steps.items()]
    text = "## Steps of the script\n\n" + table(["step", "outcome", "s"], rows)
    if results.agreement:
        text += "\n## Largest differences from the CPU\n\nRelative, of values and gradients.\n\n"
        text += table(["operation", "difference"], results.agreement.items())
    if results.training:
        text += "\n## Losses of a short training\n\nFirst and tenth step, and the largest relative "
        text += "difference up to the tenth.\n\n"
        rows = []
        for method, steps in results.training.items():
            first, tenth = steps[0], steps[min(9, len(steps) - 1)]
            worst = max(step[3] for step in steps[:10])
            cells = [f"{loss:.6f}" for loss in (first[1], first[2], tenth[1], tenth[2])]
            rows.append([method, *cells, f"{worst:.1e}"])
        titles = ["task", "CPU, 1", "device, 1", "CPU, 10", "device, 10", "difference"]
        text += table(titles, rows)
    return text


def training_steps(results):
    """Our step of each task beside PyTorch's best."""
    rows = []
    for (task, dtype), ours in sorted(results.ours.items(), key=lambda kv: TASKS.index(kv[0][0])):
        of_task = {v: f for (t, v), f in results.peers.items() if t == task}
        best = min(of_task, key=lambda v: of_task[v]["step_ms"], default=None)
        peer = of_task.get(best)
        memory = ours.get("device_peak_MiB") or ours.get("tensors_peak_mib")
        rows.append([
            f"{task}, {dtype}", digits(ours["step_ms"], 4), digits(memory, 4),
            digits(peer and peer["step_ms"], 4), best or "not measured",
            digits(peer and peer["peak_MiB"], 4),
            f"{peer['step_ms'] / ours['step_ms']:.2f}" if peer else "-",
        ])
    if not rows:
        return ""
    titles = ["task", "ms", "peak MiB", "PyTorch's ms", "its best variant", "its peak MiB", "ratio"]
    text = "\n## One optimiser step\n\nThe ratio is PyTorch's time divided by ours.\n\n"
    text += table(titles, rows)
    rows = [
        (task, v, digits(f["step_ms"], 4), digits(f["peak_MiB"], 5))
        for (task, v), f in results.peers.items()
    ]
    if rows:
        text += "\nPyTorch's variants:\n\n" + table(["task", "variant", "ms", "peak MiB"], rows)
    return text


def kernels(dtype, found):
    """Sums over the network, and where most time is lost against the ceilings."""
    ceilings = found["ceilings"]
    text = f"\n## Kernels, features in {dtype}\n\n"
    text += f"{found['device']}, {found['size']} x {found['size']}, batch {found['batch']}, channels "
    text += f"{found['channels']}. Ceilings: {digits(ceilings['copy_bytes_per_s'] / 1e9)} GB/s by a copy of "
    text += f"{ceilings['copied_bytes'] >> 20} MiB; {digits(ceilings['product_flop_per_s'] / 1e12)} TFLOP/s by "
    text += f"{ceilings['product']}."
    text += f" Beside {found['peer']}.\n" if found["peer"] else " PyTorch was not there.\n"
    for refused in found["peer_refused"]:
        text += f"PyTorch refused {refused}.\n"
    if found["left_out"]:
        text += f"Not timed, as they have no kernels yet: {', '.join(found['left_out'])}.\n"
    text += "\nAll layers of an operation together, each as often as the network has it:\n\n"
    sums = {}
    for row in found["rows"]:
        sums.setdefault((row["operation"], row["pass"]), []).append(row)
    rows = []
    for (operation, name), members in sums.items():
        ms = sum(m["ms"] * m["uses"] for m in members)
        least = sum(m["ms"] * m["uses"] * m["share"] for m in members)
        compared = [m for m in members if m["peer_ms"] is not None]
        own = sum(m["ms"] * m["uses"] for m in compared)
        theirs = sum(m["peer_ms"] * m["uses"] for m in compared)
        ratio = f"{theirs / own:.2f}" if compared else "-"
        rows.append([operation, name, digits(ms), f"{100 * least / ms:.0f}%", ratio])
    text += table(["operation", "pass", "ms", "share", "ratio"], rows)
    text += "\nWhere most time is lost against the ceilings:\n\n"
    lost = lambda row: row["ms"] * row["uses"] * (1 - row["share"])
    worst = sorted(found["rows"], key=lost, reverse=True)[:20]
    rows = [
        [
            r["operation"], r["pass"], r["shape"], r["uses"], digits(r["ms"]), digits(r["tflop_per_s"]),
            digits(r["gb_per_s"]), f"{100 * r['share']:.0f}% {r['bound']}",
            "-" if r["ratio"] is None else f"{r['ratio']:.2f}",
        ]
        for r in worst
    ]
    titles = ["operation", "pass", "shape", "uses", "ms", "TFLOP/s", "GB/s", "share", "ratio"]
    return text + table(titles, rows)


def main():
    results = Results(sys.argv[1:])
    if not results.machine or results.machine.get("none"):
        print(MISSING + HOW, end="")
        return
    machine = results.machine
    device = machine["gpu"] or ("a rehearsal on the CPU" if machine["device"] == "cpu" else machine["device"])
    rows = [
        ("date", machine["date"]), ("device", device), ("driver", machine["driver"] or "-"),
        ("PyTorch", machine["torch"] or "not there"), ("commit", machine["commit"] or "-"),
    ]
    text = "# On a GPU\n\n" + table(["", ""], rows) + "\n" + checks(results) + training_steps(results)
    for dtype, found in results.kernels.items():
        text += kernels(dtype, found)
    print(text + HOW, end="")


if __name__ == "__main__":
    main()
