# shellcheck shell=bash
# Sourced by the trials: a small simulated campaign of its own on the user's cluster, and what to do with it.
#   TRIAL KUBECONFIG IMAGE     prints one line: what was tried, what came of it, and after how long
# Variables: STORE (s3://BUCKET/PREFIX that the pods can write, and this host, too), NAMESPACE (skymosaic), KEYS (the
# Secret with the keys of the store; empty: a role), SETTINGS (more words for submit, such as
# "--set compute.kubernetes.egress_ports=[443,9000]"), SKYMOSAIC (the command).
# The exit code is 0 if it went as documented. Whatever happens, the campaign is removed, in the cluster and the store.
set -euo pipefail
trial=${0##*/}
if [ $# -ne 2 ]; then
  echo "usage: STORE=s3://BUCKET/PREFIX $0 KUBECONFIG IMAGE" >&2
  exit 2
fi
export KUBECONFIG=$1
export COLUMNS=10000 # what `status` says in one line
image=$2
store=${STORE:?s3://BUCKET/PREFIX that the pods can write}
namespace=${NAMESPACE:-skymosaic}
skymosaic=${SKYMOSAIC:-$(dirname "${BASH_SOURCE[0]}")/../../.venv/bin/skymosaic}
name=t-$trial-$((RANDOM % 9000 + 1000))
object=skymosaic-$name
address=$store/$name
label=app.kubernetes.io/instance=$object
folder=$(mktemp -d)
began=$SECONDS
read -r -a settings <<<"${SETTINGS:-}"

finish() {
  "$skymosaic" cancel "$address" >"$folder/finish" 2>&1 || true
  cluster delete job "$object" --ignore-not-found --wait=false >>"$folder/finish" 2>&1 || true
  until_gone 60 || true
  "$skymosaic" --quiet clean "$address" --all --yes >>"$folder/finish" 2>&1 || true
  rm -rf "$folder"
}
trap finish EXIT

cluster() { kubectl --namespace "$namespace" "$@"; }

submit() { # [OPTION...]: submit the campaign; what it says goes to $folder/submitted
  cat >"$folder/campaign.yaml" <<CAMPAIGN
campaign: {name: $name, description: '${description:-a trial}'}
source: {kind: simulated, size: small, tiles: ["54", "51", "55"]}
align: {order: ["54"]}
store: {uri: "$store"}
compute:
  backend: kubernetes
  workers: 2
  kubernetes: {image: "$image", namespace: "$namespace", keys: ${KEYS:-null}}
CAMPAIGN
  "$skymosaic" submit "$folder/campaign.yaml" "${settings[@]}" "$@" >"$folder/submitted" 2>&1
}

code() { # the exit code of `skymosaic status`; what it says goes to $folder/status
  local ended=0
  "$skymosaic" status "$address" >"$folder/status" 2>&1 || ended=$?
  echo "$ended"
}

words() { # what the cluster says of the campaign, as `status` tells it, or why it failed
  grep --max-count 1 --extended-regexp '^cluster: |Error: ' "$folder/status" || echo "status says nothing more"
}

wait_for() { # SECONDS CODE...: wait until the exit code of `status` is one of these
  local end=$((SECONDS + $1)) now
  shift
  while now=$(code); do
    for wanted in "$@"; do [ "$now" -ne "$wanted" ] || return 0; done
    [ $SECONDS -lt $end ] || return 1
    sleep 2
  done
}

wait_for_words() { # SECONDS PATTERN: wait until `status` says something
  local end=$((SECONDS + $1))
  until code >"$folder/code" && grep --quiet --extended-regexp "$2" "$folder/status"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 2
  done
}

at_work() { # [OPTION...]: submit, and wait until a task of the campaign is at work
  submit "$@" && wait_for_words 600 ' running '
}

done_after() { # SECONDS WHAT: wait for the end, and tell
  wait_for "$1" 0 || failed "$2: not done after $1 s: $(words)"
  tell "$2: done; $(table)"
}

table() { # a sum of the sky values: the same as that of a trial without a fault
  "$skymosaic" report "$address" 2>/dev/null | grep --extended-regexp '^[a-z0-9]{9} +[0-9]+ ' | cksum |
    sed 's/ .*//; s/^/table /'
}

pod() { # COMPONENT: the newest pod of driver, scheduler or worker that is at work
  cluster get pods --selector "$label,app.kubernetes.io/component=$1" --field-selector status.phase=Running \
    --sort-by .metadata.creationTimestamp --output name | tail -n 1
}

left() { # what the cluster holds of the campaign, a name each
  cluster get job,deployment,pod,service,networkpolicy,configmap,poddisruptionbudget --selector "$label" \
    --output name 2>/dev/null
}

until_gone() { # SECONDS: wait until nothing is left
  local end=$((SECONDS + $1))
  while [ -n "$(left)" ]; do
    [ $SECONDS -lt $end ] || return 1
    sleep 2
  done
}

tell() { echo "$trial: ok: $* ($((SECONDS - began)) s)"; }

refused() { failed "not submitted, or not begun: $(tail -n 1 "$folder/submitted")"; }

failed() {
  echo "$trial: FAILED: $* ($((SECONDS - began)) s)"
  exit 1
}
