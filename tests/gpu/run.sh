#!/usr/bin/env bash
# Everything that needs a GPU, in one call of under ten minutes, with what pack.sh built: agreement with
# the CPU, gradients, golden cases, a short training of each task, benchmarks. The machine needs the
# driver and NVRTC (the CUDA toolkit's); with a Python that has PyTorch ($PYTHON, python3 if not set)
# PyTorch is timed in the same sitting.
#
#   tests/gpu/run.sh                     every step
#   tests/gpu/run.sh train kernels       only these
#   tests/gpu/run.sh --device cpu        a rehearsal without a GPU: small, on the CPU and its emulator
#
# Prints a line for each step, and leaves all that was found in $OUT, or target/gpu/results, for
# report.py. A step that fails or takes too long does not stop those after it.
set -uo pipefail
cd "$(dirname "$0")/../.."

device=cuda
if [ "${1:-}" = --device ]; then device="$2" && shift 2; fi
chosen=" ${*:-tensor devices views gradients parity training train kernels peers autotune} "

export OUT="${OUT:-$PWD/target/gpu/results}" bin="$PWD/target/gpu/bin" device
export PYTHON="${PYTHON:-python3}" PYTHONDONTWRITEBYTECODE=1
export CINE_TESTS_DATA="$PWD/tests" CINE_CACHE="$OUT/cache" CINE_TEST_DEVICE=cuda
ends=$((SECONDS + 570))
mkdir -p "$OUT/training"
if ls "$bin"/*.xz > /dev/null 2>&1; then xz -d "$bin"/*.xz; fi
if [ ! -x "$bin/cine" ]; then
  echo "run.sh: there is no $bin/cine: build it with tests/gpu/pack.sh" >&2
  exit 2
fi

# The study's network on a GPU; what a CPU does in seconds for a rehearsal.
size=256 batch=32 channels=32,64,128,256,512,512,512 steps=20
if [ "$device" = cpu ]; then
  size=64 batch=4 channels=8,16,16 steps=3
  export CINE_TEST_DEVICE=emulator
fi

# ---- what there is -------------------------------------------------------------------------------

probe() { "$bin/cine" bench kernels --device "$device" --only cast --size 16 --batch 2 --channels 4,4 2>&1 > /dev/null; }
none=""
said="$(probe)" || none="$(tail -n 1 <<< "$said")"
if [ -n "$none" ] && [ -z "${CINE_NVRTC:-}" ]; then
  # PyTorch's wheels bring the compiler along.
  wheels="$("$PYTHON" -c 'import nvidia, os; print(os.path.dirname(list(nvidia.__path__)[0]))' 2> /dev/null)"
  if [ -n "$wheels" ]; then
    export CINE_NVRTC="$wheels"
    if said="$(probe)"; then none=""; else none="$(tail -n 1 <<< "$said")"; fi
  fi
fi
torch="$("$PYTHON" -c "
import torch
assert '$device' == 'cpu' or torch.cuda.is_available()
print(torch.__version__)" 2> /dev/null)"
offers() { "$bin/cine" bench "$1" --help 2> /dev/null | grep -q -- "$2"; }
dtypes=f32
if [ "$device" = cuda ] && offers kernels bf16; then dtypes="f32 bf16"; fi
{
  echo "date=$(date -u +%Y-%m-%d)"
  echo "device=$device"
  echo "commit=$(cat target/gpu/commit 2> /dev/null)"
  echo "gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2> /dev/null | head -n 1)"
  echo "driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -n 1)"
  echo "torch=$torch"
  echo "none=$none"
} > "$OUT/machine.txt"

# ---- steps ---------------------------------------------------------------------------------------

wrong=0

# Runs a command for so many seconds at most, and tells in a line what came of it.
step() {
  local name="$1" limit="$2" outcome status=0 started=$SECONDS
  shift 2
  [[ "$chosen" == *" ${name%% *} "* ]] || return 0
  local left=$((ends - SECONDS))
  [ "$limit" -lt "$left" ] || limit=$left
  if [ -n "$none" ]; then
    outcome="no GPU"
  elif [ "$limit" -lt 3 ]; then
    outcome="NOT RUN: no time left"
  else
    timeout -k 3 "$limit" "$@" > "$OUT/${name// /-}.log" 2>&1 || status=$?
    case $status in
      0) outcome=ok ;;
      124 | 137) outcome="STOPPED after $limit s" ;;
      *) outcome="FAILED ($status): $(grep -v '^$' "$OUT/${name// /-}.log" | tail -n 1 | cut -c 1-120)" ;;
    esac
  fi
  told "$name" "$outcome" $((SECONDS - started))
}

told() {
  printf '%-18s %5s s  %s\n' "$1" "$3" "$2"
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$OUT/steps.tsv"
  case "$2" in FAILED* | STOPPED* | NOT* | "no GPU"*) wrong=1 ;; esac
}

# Losses of a task over its first steps, on the CPU and on the device, beside each other.
trained() {
  local method="$1" stage="--stage pretrain" where
  [ "$method" != scratch ] || stage=""
  for where in cpu "$device"; do
    # shellcheck disable=SC2086
    "$bin/cine" train --method "$method" $stage --preset demo --device "$where" \
      --set subjects.phantom=8 --set pretrain.epochs=2 --set finetune.epochs=2 \
      --out "$OUT/runs/$method-$where-$BASHPID" || return 1
    awk -F , 'NR > 1 && $3 != "" && $4 != "" { print $4 }' \
      "$OUT/runs/$method-$where-$BASHPID/metrics.csv" > "$OUT/training/$method-$where.losses"
  done
  # Each update adds to what rounding made different, so the first ten steps decide.
  paste "$OUT/training/$method-cpu.losses" "$OUT/training/$method-$device.losses" | awk '
    { off = ($2 - $1) / $1; if (off < 0) off = -off; if (NR <= 10 && !(off <= worst)) worst = off
      printf "%d\t%s\t%s\t%.1e\n", NR, $1, $2, off }
    END { exit !(NR >= 10 && worst < 1e-3) }' > "$OUT/training/$method.tsv" ||
    { echo "losses differ, see training/$method.tsv" && return 1; }
}
export -f trained

timed_kernels() {
  local dtype="$1" && shift
  "$bin/cine" bench kernels --device "$device" --size "$size" --batch "$batch" --channels "$channels" \
    --dtype "$dtype" --json "$OUT/kernels-$dtype.json" "$@"
}

timed_steps() {
  "$bin/cine" bench train --device "$device" --size "$size" --batch "$batch" --channels "$channels" \
    --steps "$steps" --warmup 5 "$@" > "$OUT/line.json" && cat "$OUT/line.json" >> "$OUT/train.jsonl"
}

# PyTorch's DINO counts images, of which each has two global crops; ours counts crops.
timed_peer() {
  set -o pipefail
  local task="$1" mode="$2" variants="$3" images=$batch
  [ "$task" != dino ] || images=$((batch / 2))
  "$PYTHON" -u tests/peers/bench.py --task "$task" --device "$device" --size "$size" --batch "$images" \
    --channels "$channels" --steps "$steps" --warmup 5 --compile-mode "$mode" --variants "$variants" |
    sed "s/^{/{\"compile_mode\": \"$mode\", /" >> "$OUT/peers.jsonl"
}
export -f timed_kernels timed_steps timed_peer
export size batch channels steps

if [ -n "$none" ]; then echo "no GPU: ${none#error: --device cuda: }"; fi

# ---- right ---------------------------------------------------------------------------------------

step tensor 40 "$bin/tensor"
step devices 150 "$bin/devices" --nocapture
step views 30 "$bin/views" --nocapture views_of_every_task_are_those_of_the_host
step gradients 100 "$bin/gradients" --nocapture gradients_on_a_device
step parity 60 "$bin/parity" --nocapture golden_cases_are_reproduced_on_a_device
for method in scratch simclr pcl dino mim; do
  step "training $method" 30 bash -c "trained $method"
done

# ---- fast ----------------------------------------------------------------------------------------

for task in unet simclr pcl dino mim; do
  for dtype in $dtypes; do
    option=""
    if offers train --dtype; then option="--dtype $dtype"; elif [ "$dtype" != f32 ]; then continue; fi
    step "train $task $dtype" 30 bash -c "timed_steps --task $task $option"
  done
done
for dtype in $dtypes; do
  # PyTorch beside the dtype that it would be used in.
  beside=""
  if [ -n "$torch" ] && [ "$dtype" = "${dtypes##* }" ]; then beside="--peer $(command -v "$PYTHON")"; fi
  step "kernels $dtype" 200 bash -c "timed_kernels $dtype $beside"
done
if [ -z "$torch" ]; then
  for name in peers autotune; do
    if [[ "$chosen" == *" $name "* ]]; then
      told "$name" "${none:+no GPU, }no PyTorch for it ($PYTHON)" 0
    fi
  done
else
  variants=cl,bf16,bf16-cl,bf16-cl-compile
  if [ "$device" = cpu ]; then variants=fp32,cl; fi
  for task in unet simclr pcl dino mim; do
    step "peers $task" 75 bash -c "timed_peer $task default $variants"
  done
  if [ "$device" = cuda ]; then
    for task in unet simclr pcl dino mim; do
      step "autotune $task" 120 bash -c "timed_peer $task max-autotune bf16-cl-compile"
    done
  fi
fi
rm -rf "$OUT/cache" "$OUT/runs" "$OUT/line.json"
exit "$wrong"
