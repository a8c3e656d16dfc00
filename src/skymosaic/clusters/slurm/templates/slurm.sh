#!/bin/bash
# Made by skymosaic: scheduler, workers and driver of a campaign in one job of Slurm.
# By hand: mkdir -p {{ logs }} && sbatch THIS_FILE
{% for directive in directives %}
#SBATCH {{ directive }}
{% endfor %}
set -u
{% for line in prologue %}
{{ line }}
{% endfor %}

run={{ logs }}/{{ name }}-$SLURM_JOB_ID
mkdir -p "$run"
export SKYMOSAIC_SLURM_RUN="$run"
echo "job $SLURM_JOB_ID on $SLURM_JOB_NODELIST, logs in $run"
rm -f "$run"/{ended,lost,no-workers,walltime,scheduler.json,certificate.pem,key.pem}   # of a run before a requeue

cat > "$run/campaign.yaml" <<'{{ mark }}'
{{ campaign }}
{{ mark }}

{% if encrypted %}
{{ python }} -m skymosaic.clusters.certificates "$run" || exit 10
export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True
export DASK_DISTRIBUTED__COMM__TLS__CA_FILE="$run/certificate.pem"
for role in SCHEDULER WORKER CLIENT; do
  export "DASK_DISTRIBUTED__COMM__TLS__${role}__CERT=$run/certificate.pem"
  export "DASK_DISTRIBUTED__COMM__TLS__${role}__KEY=$run/key.pem"
done
{% endif %}
{% for setting in dask %}
export {{ setting }}
{% endfor %}

cat > "$run/scheduler.yaml" <<END
cls: {{ scheduler_class }}
opts: { {{ scheduler }}, "scheduler_file": "$run/scheduler.json" }
END
# A worker is a connection or more.
(ulimit -n "$(ulimit -Hn)"; exec {{ python }} -m distributed.cli.dask_spec \
  --spec-file "$run/scheduler.yaml") > "$run/scheduler.log" 2>&1 &
scheduler=$!

# The driver listens to USR1 and USR2 when it waits for workers; until then it goes by files.
(trap '' USR1 USR2; exec {{ python }} -m skymosaic.cli run "$run/campaign.yaml" --wait{{ share }}) &
driver=$!

# The workers of a node are a step of the job. When Slurm ends it, such as for its memory, it is
# started again, a few times; the scheduler gives their tasks to others meanwhile. When no node has
# workers any more, the driver is told by USR2.
keep_workers() {
  trap 'kill -TERM "$step" 2> /dev/null; exit' TERM
  for try in 1 2 3 4; do
    srun --nodes=1 --ntasks=1 --nodelist="$1" --cpus-per-task={{ cores }} --no-kill \
      --job-name=workers {{ python }} -m skymosaic.clusters.worker {{ worker }} \
      --scheduler-file "$run/scheduler.json" --name "$1-$try" >> "$run/workers-$1.log" 2>&1 &
    step=$!
    wait "$step"
    code=$?
    [ -e "$run/ended" ] && break
    echo "the workers of $1 ended (exit code $code), see $run/workers-$1.log" >&2
    sleep 2
  done
  [ -e "$run/ended" ] && return
  echo "$1" >> "$run/lost"
  if [ "$(wc -l < "$run/lost")" -ge "$SLURM_JOB_NUM_NODES" ]; then
    touch "$run/no-workers"
    kill -USR2 "$driver"
  fi
}
keepers=()
until [ -s "$run/scheduler.json" ] || ! kill -0 "$scheduler" 2> /dev/null; do sleep 0.2; done
for node in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
  keep_workers "$node" &
  keepers+=($!)
done

# Slurm's signals: USR1 comes before the walltime, TERM when the job is cancelled or preempted.
trap 'touch "$run/walltime"; kill -USR1 "$driver"' USR1
trap 'kill -TERM "$driver"' TERM
wait "$driver"
code=$?
while kill -0 "$driver" 2> /dev/null; do   # it was a signal that ended the waiting
  wait "$driver"
  code=$?
done

touch "$run/ended"
kill -TERM "$scheduler" 2> /dev/null   # which tells the workers to end
for _ in $(seq 30); do
  jobs -r | grep -q . || break
  sleep 1
done
kill -TERM "${keepers[@]}" 2> /dev/null
wait
rm -f "$run/certificate.pem" "$run/key.pem"
echo "job $SLURM_JOB_ID ended with $code"
exit $code
