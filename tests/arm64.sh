#!/bin/bash
# Installs the wheel on a Raspberry Pi's processor, emulated, and replays a recording there and here.
#
#   tests/arm64.sh FOLDER RECORDING [BUNDLE]
#
# FOLDER keeps what is fetched (Debian's arm64 root, 300 MB with the packages), so that a second run takes a minute.
# Needs a Debian or Ubuntu machine, the network, and root for apt-get where mmdebstrap or qemu-user-static are missing.
# PYTHON is the interpreter here (default: python3). SUITE, PY and LITERT choose Debian's release, its Python and the
# TFLite runtime.
#
# What this shows: the wheel and its dependencies install and load under glibc, Python and instructions of a Pi 4, the
# bundle passes its probe there, and the scores are those of this machine. What it cannot show: speed (qemu is
# far slower), sound cards (there is none in it), and 32-bit Raspberry Pi OS. qemu 7.2, which Debian 12 has,
# crashes in ai-edge-litert 2.2 and newer; those run in qemu 10 (Debian 13) and on a Pi.
set -euo pipefail
FOLDER=$(mkdir -p "$1" && cd "$1" && pwd); RECORDING=$(realpath "$2"); BUNDLE=${3:+$(realpath "$3")}
HERE=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-python3}; SUITE=${SUITE:-bookworm}; PY=${PY:-3.11}; LITERT=${LITERT:-2.1.6}; CPU=${CPU:-cortex-a72}
cd "$FOLDER"

{ command -v mmdebstrap && command -v qemu-aarch64-static; } >/dev/null ||
    apt-get install -y --no-install-recommends mmdebstrap qemu-user-static
if [ ! -e root/done ]; then
    rm -rf root
    mmdebstrap --variant=extract --architectures=arm64 \
        --include=python$PY,libpython$PY-stdlib,libstdc++6,libgcc-s1,libc6,zlib1g,libssl3,libffi8,libexpat1 \
        "$SUITE" root
    [ -e root/lib ] || ln -s usr/lib root/lib
    touch root/done
fi

rm -rf wheel site
"$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir wheel "$HERE"
platforms=(); for glibc in 2_36 2_35 2_34 2_31 2_28 2_27 2_17; do platforms+=(--platform "manylinux_${glibc}_aarch64"); done
"$PYTHON" -m pip install --quiet --target site --only-binary=:all: --python-version "$PY" --implementation cp \
    --abi "cp${PY/./}" --abi abi3 --abi none "${platforms[@]}" --platform manylinux2014_aarch64 --platform any \
    wheel/*.whl "ai-edge-litert==$LITERT"

bowstream_arm64() {
    env -u PYTHONHOME PYTHONPATH="$FOLDER/site" qemu-aarch64-static -cpu "$CPU" -L "$FOLDER/root" \
        "$FOLDER/root/usr/bin/python$PY" -m bowstream "$@"
}
bowstream_here() { PYTHONPATH=$HERE "$PYTHON" -m bowstream "$@"; }

bowstream_arm64 --version
bowstream_arm64 check ${BUNDLE:+"$BUNDLE"}
bowstream_arm64 replay --json ${BUNDLE:+--bundle "$BUNDLE"} "$RECORDING" >arm64.jsonl
bowstream_here replay --json ${BUNDLE:+--bundle "$BUNDLE"} "$RECORDING" >here.jsonl
"$PYTHON" - <<'END'
import json
import sys

arm64, here = ([json.loads(line) for line in open(name)] for name in ("arm64.jsonl", "here.jsonl"))
worst, hops = 0.0, 0
for there, ours in zip(arm64, here, strict=True):
    if ours["type"] == "hop":
        hops += 1
        worst = max(worst, *(abs(there["scores"][tag] - score) for tag, score in ours["scores"].items()))
events = [[(line["tag"], line["onset_s"]) for line in lines if line["type"] == "event"] for lines in (arm64, here)]
print(f"{hops} hops: scores differ by {worst:.4f} at the most; events {'equal' if events[0] == events[1] else 'DIFFER'}")
sys.exit(worst > 0.05 or events[0] != events[1])
END
