#!/bin/sh
# Makes the docker backend's tests possible on a machine without an engine or a registry, as CI is one. As root:
#   docker/runtime/ci-engine.sh
# Starts dockerd when no engine answers, and makes the base image `gristmill-base:bookworm` with debootstrap when
# python:3.11-slim cannot be had. Needs the packages docker.io and debootstrap. Does nothing where all is there.
set -eu
data_root=${DOCKER_DATA_ROOT:-/var/lib/docker}
log=${DOCKERD_LOG:-/var/log/gristmill-dockerd.log}

if ! docker version >/dev/null 2>&1; then
    echo "starting dockerd (log: $log)"
    # Sandboxes have no network and builds use the host's: no bridge, no packet filter.
    setsid nohup dockerd --data-root "$data_root" --bridge=none --iptables=false --ip6tables=false \
        --pidfile /run/gristmill-dockerd.pid >"$log" 2>&1 </dev/null &
    tries=0
    until docker version >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            tail -n 20 "$log"
            echo "dockerd did not start" >&2
            exit 1
        fi
        sleep 0.1
    done
fi

if docker image inspect python:3.11-slim >/dev/null 2>&1 || docker image inspect gristmill-base:bookworm >/dev/null 2>&1; then
    exit 0
fi
echo "making gristmill-base:bookworm"
root=$(mktemp -d)
trap 'rm -rf "$root" "$root.log"' EXIT
# From where this machine has its own packages, if it is a Debian.
mirror=${DEBOOTSTRAP_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep '/debian/*$' | head -n 1)}
# shellcheck disable=SC2086 # nothing, where there is no mirror
debootstrap --variant=minbase --include=python3,python3-venv,libgomp1,ca-certificates bookworm "$root" $mirror \
    >"$root.log" 2>&1 || {
    tail -n 20 "$root.log"
    exit 1
}
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -c . | docker import - gristmill-base:bookworm >/dev/null
