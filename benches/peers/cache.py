"""What the race needs, fetched once and kept apart from the machine it runs on.

Debian's packages are unpacked, not installed: no service starts, nothing outside the
cache changes. What cannot be had raises `CannotBeHad` with the reason.
"""

import os
import pathlib
import shutil
import subprocess
import sys

PYTHON_PACKAGES = ["chdb==4.4.0", "duckdb==2.0.0", "pyarrow", "numpy", "psycopg[binary]"]


class CannotBeHad(Exception):
    """Why a peer does not run."""


def folder():
    """`METERHOUSE_PEERS_CACHE`, or a folder below the person's cache."""
    own = os.environ.get("METERHOUSE_PEERS_CACHE")
    below = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    path = pathlib.Path(own) if own else below / "meterhouse-peers"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def python():
    """The interpreter of a virtual environment that has the embedded engines."""
    venv = folder() / "venv"
    wanted = "\n".join(PYTHON_PACKAGES)
    mark = venv / "packages"
    if not mark.exists() or mark.read_text() != wanted:
        said(f"fetching {', '.join(PYTHON_PACKAGES)}")
        ran([sys.executable, "-m", "venv", str(venv)])
        ran([str(venv / "bin/pip"), "install", "--quiet", *PYTHON_PACKAGES])
        mark.write_text(wanted)
    return venv / "bin/python"


def debian(*packages):
    """The folder in which the packages are unpacked, as if it were `/`."""
    root, kept = folder() / "root", folder() / "debs"
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise CannotBeHad("this is no Debian: there is neither apt-get nor dpkg")
    kept.mkdir(exist_ok=True)
    root.mkdir(exist_ok=True)
    missing = [package for package in packages if not (root / f".{package}").exists()]
    if missing:
        said(f"unpacking {', '.join(missing)}")
        ran(["apt-get", "download", "--quiet=2", *missing], cwd=kept)
    for package in missing:
        for file in kept.glob(f"{package}_*.deb"):
            ran(["dpkg", "-x", str(file), str(root)])
            file.unlink()
        (root / f".{package}").touch()
    return root


def go(source, name):
    """A program built of a folder of Go with its own module file."""
    tool = shutil.which("go") or "/usr/local/go/bin/go"
    if not os.path.exists(tool):
        raise CannotBeHad("there is no Go compiler")
    binary = folder() / name
    newest = max(file.stat().st_mtime for file in source.iterdir())
    if not binary.exists() or binary.stat().st_mtime < newest:
        said(f"building {name}")
        ran([tool, "build", "-o", str(binary), "."], cwd=source)
    return binary


def ran(command, **how):
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_800, **how)
    if done.returncode != 0:
        raise CannotBeHad(f"{' '.join(command[:4])} failed: {(done.stderr or done.stdout).strip()[-400:]}")


def said(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)
