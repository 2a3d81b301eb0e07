#!/usr/bin/env bash
# Runs the unit under a systemd of its own, and holds the node to what the unit asks of it.
#
#   sudo engine/cli/packaging/try-unit.sh target/debug/ringwire
#
# Needs root, systemd's programs (none has to run), and overlayfs. Takes three minutes: the watchdog has to wait.
#
# That systemd is in namespaces of its own, and its root is a layer in memory above the machine's files, which
# pivot_root leaves behind. So nothing of the machine is written to: at its start a systemd empties /tmp, sets
# sysctls and makes files in /etc and /var, and none of that must reach those who live here.
set -euo pipefail
program=$(realpath "$1")
unit=$(realpath "$(dirname "$0")/ringwire.service")
[ "$(id -u)" = 0 ] || { echo "try-unit: needs root, for namespaces and mounts" >&2; exit 2; }

if [ "${2:-}" = inside ]; then
    mount --make-rprivate /
    above=$3
    mount -t tmpfs tmpfs "$above"
    mkdir "$above/upper" "$above/work" "$above/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$above/upper,workdir=$above/work" "$above/root"
    root=$above/root
    mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/dev"
    for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
        read -r name major minor <<<"$node"
        mknod -m 666 "$root/dev/$name" c "$major" "$minor"
    done
    mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    units=$root/etc/systemd/system
    rm -rf "$units" && mkdir -p "$units"
    for name in tmpfiles-setup tmpfiles-setup-dev tmpfiles-clean sysctl udevd udev-trigger modules-load update-utmp \
        random-seed binfmt remount-fs sysusers hwdb-update journal-catalog-update machine-id-commit firstboot; do
        ln -s /dev/null "$units/systemd-$name.service"
    done
    cp "$program" "$root/usr/bin/ringwire"
    cp "$unit" "$units/ringwire.service"
    mkdir -p "$root/etc/default" "$root/var/lib/private"
    chmod 700 "$root/var/lib/private"
    echo 'RINGWIRE_ARGS="--laddr tcp://127.0.0.1:0,unix:///var/lib/ringwire/p2p.sock --shards 2"' >"$root/etc/default/ringwire"
    cd "$root"
    mkdir -p left-behind
    pivot_root . left-behind
    cd /
    umount -l /left-behind
    export container=try-unit
    exec /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no
fi

above=$(mktemp -d)
unshare --mount --pid --fork --cgroup --uts --ipc --kill-child "$0" "$program" inside "$above" </dev/null &
guard=$!
trap 'kill -KILL $guard 2>/dev/null; wait $guard 2>/dev/null || true; rmdir "$above"' EXIT
for _ in $(seq 50); do
    manager=$(pgrep -P $guard) && grep -qs systemd "/proc/$manager/comm" && break
    sleep 0.2
done
there() { nsenter -t "$manager" -m -p -u -i -C env -C / "$@" </dev/null; }
for _ in $(seq 100); do there systemctl is-system-running 2>/dev/null | grep -qE "running|degraded" && break || sleep 0.2; done

fail() {
    echo "try-unit: $*" >&2
    there journalctl -u ringwire --no-pager -o cat | tail -40 >&2
    exit 1
}
shown() { there systemctl show ringwire -p "$1" --value; }
config=/var/lib/private/ringwire/config/config.toml

there systemctl start ringwire || fail "it does not start"
[ "$(shown StatusText | cut -c1-10)" = "listens on" ] || fail "it does not say where it listens"
first=$(shown MainPID)
there ringwire peers --home /var/lib/ringwire >/dev/null || fail "nobody answers on its socket"
there systemctl reload ringwire || fail "it cannot be reloaded"
there cp "$config" /run/good
there sh -c "echo 'nonsense [' >>$config"
if there systemctl reload ringwire 2>/dev/null; then fail "a broken file was reloaded without a word"; fi
[ "$(shown ActiveState)" = active ] || fail "a broken file ended it"
there sh -c "cat /run/good >$config"
there systemctl reload ringwire || fail "the mended file cannot be reloaded"
echo "try-unit: it starts, says READY=1, and reloads; a broken file changes nothing"

sleep 45
[ "$(shown NRestarts)" = 0 ] || fail "the watchdog ended a node that lives"
there kill -STOP "$first"
for _ in $(seq 90); do [ "$(shown NRestarts)" = 1 ] && [ "$(shown ActiveState)" = active ] && break || sleep 1; done
[ "$(shown ActiveState)" = active ] && [ "$(shown MainPID)" != "$first" ] || fail "a node that hangs is not restarted"
there test -S /var/lib/ringwire/p2p.sock || fail "the socket that the killed node left was not replaced"
echo "try-unit: the watchdog lets a live node be and restarts one that hangs"

there systemctl stop ringwire || fail "it cannot be stopped"
[ "$(shown Result) $(shown ExecMainStatus)" = "success 0" ] || fail "it does not end in order"
there test ! -e /var/lib/ringwire/p2p.sock || fail "it leaves its socket"
echo "try-unit: it ends in order"
