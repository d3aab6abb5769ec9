#!/usr/bin/env bash
# Processes of MPI train one net. TAPER is a `taper` or `xtask` that is built with `--features mpi`, by default that of
# this folder, MPIRUN what starts processes, up to `-n`.
#
#   run.sh bytes        the same bytes with 1, 2 and 4 processes as of one without MPI, for one net
#   run.sh bytes-full   with 1, 2, 4 and 8, for several nets, methods and averages
#   run.sh kills N      a process is killed N times over a run, at random; each time the job ends by itself within ten
#                       seconds, and the run that goes on, with any number of processes, has the bytes of one that was
#                       never killed
#   run.sh refusals     what a process that fails alone says, and that it ends the others
set -euo pipefail
taper=$(realpath "${TAPER:-$(dirname "$0")/../../target/debug/xtask}")
read -ra mpirun <<<"${MPIRUN:-mpirun --allow-run-as-root --oversubscribe -q}"
export RAYON_NUM_THREADS=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

sum() { cat "$1"/*.safetensors | sha256sum | cut -c1-16; }

# same NAME NUMBERS FLAGS...: trains alone and with numbers of processes.
same() {
  local name=$1 numbers=$2 alone n
  shift 2
  "$taper" "$@" --quiet --set train.pieces=8 --out "$name-alone" >/dev/null
  alone=$(sum "$name-alone")
  for n in $numbers; do
    "${mpirun[@]}" -n "$n" "$taper" "$@" --quiet --out "$name-$n" >/dev/null
    if [ "$(sum "$name-$n")" != "$alone" ]; then
      echo "$name: $n processes have other bytes than one program alone" >&2
      exit 1
    fi
  done
  echo "$name: $alone, alone and with $numbers processes"
}

cnn=(train --recipe fast-mnist --data digits --limit 320)

bytes() { same keras-cnn "1 2 4" "${cnn[@]}" --epochs 1; }

bytes_full() {
  local all="1 2 4 8"
  local photos=(--set image.height=64 --set image.width=64 --set image.channels=3 --limit 64 --epochs 1)
  same keras-cnn "$all" "${cnn[@]}" --epochs 1
  same accumulation "$all" "${cnn[@]}" --epochs 1 --accumulate 2 --batch-size 32
  same averages "$all" "${cnn[@]}" --epochs 2 --set average.name=ema --set data.validation_fraction=0.2 --set select.best=true
  same resnet18-mixup "$all" train --net resnet18 --data digits "${photos[@]}" --set augment.mixup=0.4 \
    --set train.batch_size=32 --optimizer sgd
  "$taper" train --net vit_tiny_patch16_224 --data digits --limit 16 --max-steps 1 --batch-size 8 --quiet \
    --set image.height=64 --set image.width=64 --out vit >/dev/null
  same vit-tiny-lora "$all" finetune --weights vit --data digits --method lora --merge --limit 48 --max-steps 3 \
    --batch-size 16 --set method.dropout=0.1
}

# The processes of a job that is started in the background, without mpirun's own.
ranks() { pgrep -f "^$taper .*--out $folder/killed" || true; }

kills() {
  local wanted=$1 killed=0 job pid started took n all
  local run=("${cnn[@]}" --epochs "$((20 * wanted))" --set checkpoint.every_steps=1 --set train.pieces=8 --quiet)
  "$taper" "${run[@]}" --out "$folder/whole" >/dev/null
  while :; do
    n=$((1 << (RANDOM % 3)))
    setsid "${mpirun[@]}" -n "$n" "$taper" "${run[@]}" --resume --out "$folder/killed" >/dev/null 2>"$folder/err" &
    job=$!
    all=()
    while [ "$killed" -lt "$wanted" ] && [ "${#all[@]}" -eq 0 ] && kill -0 "$job" 2>/dev/null; do
      sleep "$((RANDOM % 3)).$((RANDOM % 10))"
      mapfile -t all < <(ranks)
    done
    pid=${all[$((RANDOM % (${#all[@]} + 1)))]:-${all[0]:-}}
    if [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null; then
      killed=$((killed + 1))
      started=$(date +%s%N)
      wait "$job" && true
      took=$((($(date +%s%N) - started) / 1000000))
      echo "kill $killed of $n processes: the job ended after $took ms"
      if [ "$took" -gt 10000 ]; then
        echo "a job of $n processes took $took ms to end" >&2
        exit 1
      fi
      [ -z "$(ranks)" ] || { echo "processes are left" >&2; exit 1; }
      continue
    fi
    wait "$job"
    [ -f "$folder/killed/metrics.json" ] && break
  done
  [ "$(sum "$folder/whole")" = "$(sum "$folder/killed")" ] || { echo "other bytes after $killed kills" >&2; exit 1; }
  echo "$killed kills, $(sum "$folder/killed") as never killed"
  [ "$killed" -ge "$wanted" ] || { echo "the run was over after $killed kills" >&2; exit 1; }
}

# refused EXPECTED COMMAND...: a job that ends by itself with one line that says so.
refused() {
  local expected=$1 lines
  shift
  if timeout 30 "$@" >out 2>err; then
    echo "not refused: $*" >&2
    exit 1
  fi
  lines=$(grep -c '^error: ' err || true)
  if [ "$lines" != 1 ] || ! grep -q "^error: .*$expected" err; then
    echo "expected one line with: $expected" >&2
    cat err >&2
    exit 1
  fi
  grep '^error: ' err
}

refusals() {
  local one=("${mpirun[@]}" -n 1 "$taper" "${cnn[@]}" --quiet)
  refused 'number of processes. is 3' "${mpirun[@]}" -n 3 "$taper" "${cnn[@]}" --quiet --out a
  refused 'process 1 is not like process 0: .recipe.seed. is 1, not 0' \
    "${one[@]}" --seed 0 --out b : -n 1 "$taper" "${cnn[@]}" --quiet --seed 1 --out b
  refused 'process 1: no data at nowhere' "${one[@]}" --out c : -n 1 "$taper" "${cnn[@]}" --quiet --set data.source=nowhere --out c
  refused 'are not finite' "${mpirun[@]}" -n 2 "$taper" "${cnn[@]}" --quiet --optimizer sgd \
    --set optimizer.learning_rate=1e300 --out d
}

case "${1:-}" in
  bytes) bytes ;;
  bytes-full) bytes_full ;;
  kills) kills "${2:?how many}" ;;
  refusals) refusals ;;
  *) sed -n '2,/^set/p' "$0" | grep '^#' >&2; exit 2 ;;
esac
