#!/bin/bash
# slurm.sh PROGRAM TOOLS WORK: a film made by a real Slurm of two nodes on this machine, one of which dies in the midst, is
# the film that one process makes. Needs slurmctld, slurmd, munged, root and two cores.
set -u
. "$(dirname "$0")/common.bash"
export PATH=$PATH:/usr/sbin
cluster=$(realpath "$(dirname "$0")/../../scripts/cluster")
for tool in ffmpeg slurmctld slurmd munged unshare sbatch; do
    command -v $tool >/dev/null || exit 77
done
[ "$(id -u)" = 0 ] && [ "$(nproc)" -ge 2 ] && unshare --pid --fork --kill-child true 2>/dev/null || exit 77
umask 022
cd "$work" || exit 1
unset SLURM_ARRAY_TASK_ID JOB_COMPLETION_INDEX OMPI_COMM_WORLD_RANK
export SLURM_CONF=$work/slurm.conf STEREOCRAFTER=$program OMP_NUM_THREADS=1

# ---- a cluster of its own: keys, sockets and ports
running=() # killed in the end: unshare takes its processes with it only so
free_port() { # FROM: the first one that nobody listens at
    local p=$1
    while (: </dev/tcp/127.0.0.1/"$p") 2>/dev/null; do p=$((p + 1)); done
    echo "$p"
}
run_dir=$(mktemp -d /run/stereo-slurm.XXXXXX) || exit 77 # munged refuses folders that others may write to
trap 'kill -KILL "${running[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$run_dir"' EXIT
head -c 1024 /dev/urandom >"$run_dir/key"
chmod 400 "$run_dir/key"
munged --force --foreground --socket="$run_dir/socket" --key-file="$run_dir/key" --pid-file="$run_dir/pid" \
    --log-file="$run_dir/log" --seed-file="$run_dir/seed" 2>munged.txt &
running+=($!)
controller=$(free_port 26817)
nodes=$(free_port 26917)
cat >slurm.conf <<END
ClusterName=stereo
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$controller
SlurmUser=root
AuthInfo=socket=$run_dir/socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool.%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=8
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
NodeName=n[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$nodes-$((nodes + 1)) CPUs=1
PartitionName=main Nodes=ALL Default=YES State=UP MaxTime=INFINITE
END
mkdir state
slurmctld -D -c >slurmctld.txt 2>&1 &
running+=($!)
start_node() { # NAME CORE: in processes of its own, which end with it
    taskset -c "$2" unshare --pid --fork --kill-child=KILL --mount-proc slurmd -D -N "$1" >"slurmd.$1.txt" 2>&1 &
    node=$!
    running+=($node)
}
start_node n1 0
start_node n2 1
for _ in $(seq 100); do
    [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" = 2 ] && break
    sleep 0.3
done
if [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" != 2 ]; then
    for f in munged.txt slurmctld.txt slurmd.*.txt; do tail -n 5 "$f"; done
    echo "Slurm does not start here"
    exit 77
fi

# ---- the film: nine shots
shots="" ends=""
for n in 0 1 2 3 4 5 6 7 8; do
    shots+="$([ $((n % 2)) = 0 ] && echo testsrc2 || echo mandelbrot)=s=${SC_SLURM_SIZE:-160x90}:r=25,hue=h=$((n * 40)),"
    shots+="trim=end_frame=$((25 + 4 * n))[s$n];"
    ends+="[s$n]"
done
ffmpeg -v error -f lavfi -i "$shots${ends}concat=n=9,format=yuv420p,setpts=N/25/TB" -f lavfi -i sine=d=14.76 -c:v libx264 \
    -g 50 -preset veryfast -c:a aac film.mkv || exit 1
args=(film.mkv out.mkv --segment-frames 10 --depth-size "${SC_SLURM_DEPTH:-96}")
now() { date +%s%N; }
since() { echo "$((($(now) - $1) / 1000000)) ms"; }
wait_for() { # JOB: until the queue has none of it
    for _ in $(seq 1200); do
        [ -n "$(squeue -h -j "$1" 2>/dev/null)" ] || break
        sleep 0.25
    done
}

begin=$(now)
taskset -c 0 "$program" "${args[@]}" --progress none 2>err.txt
echo "one process on one core: $(since "$begin")"
traces out.mkv >whole.txt
rm out.mkv || exit 1

begin=$(now)
job=$("$cluster/slurm.sh" 8 "${args[@]}")
wait_for "$job"
echo "two nodes of one core: $(since "$begin")"
traces out.mkv >parts.txt
check "two nodes: the same film" cmp -s parts.txt whole.txt
check "nothing is left" [ "$(echo out.mkv*)" = out.mkv ]
rm -f out.mkv

begin=$(now)
job=$("$cluster/slurm.sh" 8 "${args[@]}")
for _ in $(seq 400); do # until the node has begun a part, and some are made
    [ "$(find out.mkv.parts -name '*.seg' 2>/dev/null | wc -l)" -ge 4 ] && [ -n "$(squeue -h -w n2 -t R)" ] && break
    sleep 0.1
done
lost=$(squeue -h -w n2 -t R -o %i)
kill -KILL $node
check "the node that dies has work" [ -n "$lost" ]
wait_for "$job"
echo "one of two nodes killed while at part $lost: $(since "$begin")"
check "it is taken for dead" grep -q "n2.*not responding\|setting DOWN" slurmctld.txt
check "and its part is queued again" grep -qi "requeue" slurmctld.txt
traces out.mkv >parts.txt
check "a node was killed: the same film" cmp -s parts.txt whole.txt
[ -e out.mkv ] || for f in stereo-*.log slurmctld.txt; do tail -n 5 "$f"; done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
