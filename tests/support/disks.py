"""Disks of a test's own, in a mount namespace that ends with it."""

import subprocess

PRIVATE = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-euc"]


def can_mount() -> bool:
    return subprocess.run([*PRIVATE, "mount -t tmpfs tmpfs /mnt"], capture_output=True).returncode == 0
