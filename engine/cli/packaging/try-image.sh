#!/usr/bin/env bash
# Runs two nodes in containers as the image would be, without a Docker daemon, and holds them to what docs/packages.md says.
#
#     sudo engine/cli/packaging/try-image.sh target/release/ringwire [DOCKERS-SECCOMP.json]
#
# Needs root, crun (or runc as RUNTIME), python3, ip, and Debian 12, whose packages make the root: the C library, libgcc_s and base files
# unpacked, nothing else, as in distroless. What the Dockerfile copies is put in its places, and its USER, ENV, VOLUME, ENTRYPOINT and STOPSIGNAL
# are read from it. The nodes run without capabilities, with a root that cannot be written to, in a network of their own, once under
# Docker's own seccomp profile and once under seccomp.json beside this file. Docker's profile is taken from the file that is named, or
# from its Go module if there is Go; without either that half is skipped, in capitals, and the exit code is 3.
#
# Not tried here: `docker build`, and what Docker's daemon does beside the container: its networks, its logs.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
program=$(realpath "${1:?"usage: try-image.sh PROGRAM [DOCKERS-SECCOMP.json]"}")
runtime=${RUNTIME:-crun}
fail() {
    echo "try-image: $*" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "needs root, for namespaces and mounts"
for tool in "$runtime" python3 ip dpkg-deb strip; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
done

skipped=()
if [ "${3:-}" != inside ]; then
    # What comes from elsewhere comes first.
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    dockers=${2:-}
    if [ -z "$dockers" ] && command -v go >/dev/null; then
        module=$(cd "$work" && go mod download -json github.com/moby/profiles/seccomp@v0.3.0 2>/dev/null |
            python3 -c 'import json, sys; print(json.load(sys.stdin).get("Dir", ""))') || module=
        dockers=${module:+$module/default.json}
    fi
    . /etc/os-release
    [ "$ID $VERSION_ID" = "debian 12" ] || fail "the image stands on Debian 12, and this is $PRETTY_NAME"
    mkdir "$work/packages"
    chmod 755 "$work" && chown _apt "$work/packages"
    # The archives are in distroless' list as well, and nothing that they want besides: no shell, no package manager.
    (cd "$work/packages" && apt-get download -qq base-files netbase tzdata libc6 libgcc-s1 libstdc++6 >/dev/null) ||
        fail "the packages of the root cannot be had from Debian"
    # Both nodes are in one network, which reaches nothing.
    unshare --net --mount --kill-child --fork "$0" "$program" "$dockers" inside "$work"
    exit
fi
dockers=$2 work=$4 user=$(sed -n 's/^USER //p' "$here/Dockerfile")
ip link set lo up
# crun wants one kind of cgroups, also where it is to use none.
[ ! -d /sys/fs/cgroup/unified ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
trap 'for name in a b; do "$runtime" --root "$work/state" delete --force $name 2>/dev/null || true; done' EXIT

# ---- the root ------------------------------------------------------------------------------------
root=$work/root
mkdir "$root"
for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$root"; done
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$root/etc/passwd"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/var/lib/ringwire" "$root/usr/share/doc/ringwire"
strip --strip-debug -o "$root/usr/bin/ringwire" "$program"
chmod 755 "$root/usr/bin/ringwire"
chown 65532:65532 "$root/var/lib/ringwire"
[ ! -e "$root/bin/sh" ] || fail "the root has a shell"

# ---- a bundle for each node ----------------------------------------------------------------------
# What the Dockerfile and the profile say, as the runtime wants it.
bundle() { # name profile arguments...
    mkdir -p "$work/$1" "$work/home-$1"
    chown 65532:65532 "$work/home-$1"
    python3 - "$here/Dockerfile" "$work" "$@" <<'PYTHON'
import json, platform, re, resource, sys

dockerfile, work, name, profile, *arguments = sys.argv[1:]
lines = open(dockerfile).read().rsplit("\nFROM ", 1)[1].splitlines()
said = dict(line.split(" ", 1) for line in lines if re.match(r"(USER|ENV|VOLUME|ENTRYPOINT|CMD|STOPSIGNAL) ", line))
user, group = map(int, said["USER"].split(":"))
assert said["STOPSIGNAL"] == "SIGTERM"
machine = platform.machine()
arch = {"x86_64": "amd64", "aarch64": "arm64"}[machine]


def applies(rule):
    """As Docker reads it, for a container without capabilities on a kernel of today."""
    wanted, unwanted = rule.get("includes") or {}, rule.get("excludes") or {}
    is_in = not wanted.get("caps") and arch in wanted.get("arches", [arch])
    return is_in and arch not in unwanted.get("arches", [])


def seccomp(profile):
    of_arch = [it for it in profile["archMap"] if it["architecture"] == "SCMP_ARCH_" + machine.upper()]
    rules = [rule for rule in profile["syscalls"] if applies(rule)]
    keys = ("names", "action", "errnoRet", "args")
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
        "architectures": [it for one in of_arch for it in [one["architecture"], *(one["subArchitectures"] or [])]],
        "syscalls": [{key: rule[key] for key in keys if rule.get(key) is not None} for rule in rules],
    }


def mount(at, kind, *options):
    return {"destination": at, "type": kind, "source": kind, "options": list(options)}


# As `--ulimit memlock=67108864` has it; who may not raise limits has no more than there is.
hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
memlock = 67108864 if hard == resource.RLIM_INFINITY else min(hard, 67108864)
none = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
config = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": user, "gid": group},
        "args": json.loads(said["ENTRYPOINT"]) + (arguments or json.loads(said["CMD"])),
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", said["ENV"]],
        "cwd": "/",
        "capabilities": none,
        "rlimits": [{"type": "RLIMIT_MEMLOCK", "hard": memlock, "soft": memlock}],
        "noNewPrivileges": True,
    },
    "root": {"path": f"{work}/root", "readonly": True},
    "hostname": name,
    "mounts": [
        mount("/proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        {"destination": said["VOLUME"], "type": "bind", "source": f"{work}/home-{name}", "options": ["rbind", "rw"]},
    ],
    "linux": {
        # The network is that of this script.
        "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
        "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        "seccomp": seccomp(json.load(open(profile))),
    },
}
json.dump(config, open(f"{work}/{name}/config.json", "w"), indent=2)
PYTHON
}
run() { # name: runs it to its end
    "$runtime" --cgroup-manager=disabled --root "$work/state" run --bundle "$work/$1" "$1" >"$work/$1.out" 2>"$work/$1.err"
}
inside() { # name arguments...
    local name=$1
    shift
    "$runtime" --cgroup-manager=disabled --root "$work/state" exec --user "$user" "$name" /usr/bin/ringwire "$@"
}
within() { # what condition...
    local what=$1
    shift
    for _ in $(seq 150); do
        if "$@" 2>/dev/null; then return; fi
        sleep 0.2
    done
    tail -n 20 "$work"/*.err >&2
    fail "$what"
}
process_of() { "$runtime" --root "$work/state" state "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])'; }

is_healthy() { [ "$(python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).status)' "http://127.0.0.1:$1/health")" = 200 ]; }
has_peer() { inside "$1" peers --json | python3 -c 'import json, sys; sys.exit(len(json.load(sys.stdin)["peers"]) != 1)'; }
has_heard() { grep -qx "heard in a container" "$work/$1.out"; }

# ---- both nodes, under a profile ------------------------------------------------------------------
try() { # profile, what moves the bytes, what the kernel shows of it
    local profile=$1 way=$2 shown=$3 process status
    rm -rf "$work"/home-*
    for name in a b; do
        bundle $name "$profile" init --network image
        run $name || { cat "$work/$name.err" >&2; fail "init does not run under $way"; }
    done
    bundle a "$profile" start --local --laddr tcp://127.0.0.1:26656 --metrics 127.0.0.1:26670 --stdout
    run a &
    first=$!
    within "the first node does not start" is_healthy 26670
    id=$(inside a show-node-id)
    bundle b "$profile" start --local --laddr tcp://127.0.0.1:26657 --metrics 127.0.0.1:26671 --stdin \
        --persistent-peers "$id@127.0.0.1:26656"
    # Open for writing as well, so that its input does not end.
    rm -f "$work/input"
    mkfifo "$work/input"
    exec 3<>"$work/input"
    run b <&3 &
    second=$!
    within "the second node does not start" is_healthy 26671
    for name in a b; do
        within "they do not connect" has_peer $name
        process=$(process_of $name)
        status=$(grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$process/status" | tr -s '\t\n' ' ')
        [ "$status" = "Uid: 65532 65532 65532 65532 CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 " ] ||
            fail "it does not run as it should: $status"
        ls -l "/proc/$process/fd" | grep -q "$shown" || fail "it does not move its bytes by $way"
        awk '$5 == "/" { exit $6 !~ /^ro/ }' "/proc/$process/mountinfo" || fail "its root can be written to"
    done
    echo "heard in a container" >&3
    within "what is said at one is not heard at the other" has_heard a
    for name in b a; do "$runtime" --root "$work/state" kill $name TERM; done
    wait $first || fail "the first node does not end in order: $(tail -n 3 "$work/a.err")"
    wait $second || fail "the second node does not end in order: $(tail -n 3 "$work/b.err")"
    exec 3>&-
    echo "try-image: under $(basename "$profile") two nodes start by $way, connect, gossip, answer /health and end on SIGTERM"
}
if [ -n "$dockers" ] && [ -e "$dockers" ]; then
    try "$dockers" readiness 'anon_inode:\[eventpoll\]'
    grep -q "moved by readiness" "$work/a.err" || fail "a node without io_uring does not say so"
else
    skipped+=("UNDER DOCKER'S OWN PROFILE: name the file default.json of github.com/moby/profiles, or install Go")
fi
try "$here/seccomp.json" io_uring 'anon_inode:\[io_uring\]'
[ ${#skipped[@]} = 0 ] || {
    printf 'try-image: NOT TRIED %s\n' "${skipped[@]}" >&2
    exit 3
}
