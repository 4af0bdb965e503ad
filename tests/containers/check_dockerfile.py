"""Run the very commands of envs/Dockerfile in a fresh Debian root, then the workflow in it: for want of Docker.

    sudo python tests/containers/check_dockerfile.py FOLDER [--mirror ADDRESS] [--bind FOLDER ...] [--keep]

It needs root, debootstrap, about 8 GB below FOLDER and a quarter of an hour; `make test` leaves it out. What it does:

1. debootstrap makes the root: Debian 12, minimal, as the image debian:12-slim nearly is.
2. COPY and RUN are carried out in their order, RUN by `/bin/sh -c` in the root, until one fails.
3. With the image's ENV, ENTRYPOINT and working folder it runs `--version`, the demo's dry run, and the tiny experiment
   of the tests to its end, as the image's USER; then its classifiers again, as a user whom the root does not know.

For the check alone, the root gets this machine's settings for apt, pip, certificates and hosts, and the folders given
by --bind (where pip's settings name any). What is mounted is mounted in a namespace that ends with the check.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/workflow"), str(ROOT / "src")]

DOCKERFILE = ROOT / "envs/Dockerfile"
# Settings of this machine, and where they go in the root. Pip reads both of its files.
SETTINGS = {
    "/etc/apt": "etc/apt",
    "/etc/ssl/certs/ca-certificates.crt": "etc/ssl/certs/ca-certificates.crt",
    "/etc/resolv.conf": "etc/resolv.conf",
    "/etc/hosts": "etc/hosts",
    "/etc/pip.conf": "etc/pip.conf",
    "~/.config/pip/pip.conf": "etc/xdg/pip/pip.conf",
}
VARIABLES = re.compile(r"(PIP_|SSL_|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|REQUESTS_)")
STRANGER = 4321


@dataclass
class Image:
    """What a Dockerfile says.

    Attributes
    ----------
    steps
        Its COPY and RUN instructions, in order.
    environment, user, folder, entrypoint
        Of what runs in it.
    """

    steps: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0"
    folder: str = "/"
    entrypoint: list[str] = field(default_factory=list)


def read_dockerfile(text: str) -> Image:
    """Return what a Dockerfile says, as far as envs/Dockerfile goes; an instruction that is not known is an error."""
    image = Image()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name in ("RUN", "COPY"):
            image.steps.append((name, rest))
        elif name == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif name == "USER":
            image.user = rest
        elif name == "WORKDIR":
            image.folder = rest
        elif name == "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        elif name not in ("", "FROM", "CMD"):
            raise ValueError(f"{DOCKERFILE}: {name}: this check does not know the instruction")
    return image


def copy(arguments: str, root: Path) -> None:
    """Do as COPY does: files into a folder, a folder's contents into a folder."""
    *sources, target = arguments.split()
    into = root / target.lstrip("/")
    into.mkdir(parents=True, exist_ok=True)
    for source in sources:
        path = ROOT / source
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")  # as .dockerignore says
            shutil.copytree(path, into, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy(path, into)


def in_root(root: Path, command: list[str], environment: dict[str, str], *, user: str = "0", folder: str = "/") -> None:
    """Run a command in the root; it and what it started are gone afterwards."""
    # The environment, its search path included, is the image's; chroot is this machine's.
    chroot = shutil.which("chroot") or "chroot"
    words = [chroot, f"--userspec={user}:{user}", str(root), "/bin/sh", "-c", 'cd "$0" && exec "$@"', folder]
    print(f"--- as {user} in {folder}: {shlex.join(command)}", flush=True)
    subprocess.run([*words, *command], check=True, env=environment)


def mount(root: Path, binds: list[Path]) -> None:
    """Mount what a container has: devices, processes; and the folders of `binds`."""
    mounts = [["--rbind", "/dev", root / "dev"], ["-t", "proc", "proc", root / "proc"]]
    mounts += [["--bind", path, root / str(path).lstrip("/")] for path in binds]
    for arguments in mounts:
        Path(arguments[-1]).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *arguments], check=True)


def bring_settings(root: Path) -> None:
    """Copy this machine's settings into the root."""
    for name, place in SETTINGS.items():
        path, target = Path(name).expanduser(), root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        elif path.is_file():
            shutil.copy(path, target)


def build(root: Path, image: Image, settings: dict[str, str]) -> None:
    """Carry out the image's steps."""
    for name, arguments in image.steps:
        if name == "COPY":
            print(f"--- COPY {arguments}", flush=True)
            copy(arguments, root)
        else:
            bring_settings(root)  # each time: installing certificates replaces those of this machine
            in_root(root, ["/bin/sh", "-c", arguments], settings)


def use(root: Path, image: Image) -> None:
    """Run the workflow as `docker run` would, with a folder of the user's own on the working folder."""
    from checkout import SHEET, TINY
    from yaml import safe_dump

    work = root / image.folder.lstrip("/")
    shutil.copytree(ROOT / "config", work / "config", dirs_exist_ok=True)
    (work / "config/slides-tiny.csv").write_text(SHEET)
    (work / "tiny.yaml").write_text(safe_dump(TINY))
    # Docker sets no variable but these, and puts the image's PATH before the usual one.
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    for name, value in image.environment.items():
        environment[name] = value.replace("$PATH", environment["PATH"])
    runs = [["--version"], ["--dry-run", "--quiet", "rules"], ["--cores", "2", "--configfile", "tiny.yaml"]]
    for user, again in ((image.user, []), (str(STRANGER), ["--forcerun", "train_classifier"])):
        subprocess.run(["chown", "-R", f"{user}:{user}", work], check=True)
        # Each container has its own; what one user caches there is not another's.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "tmp"], check=True)
        for arguments in [*runs[:-1], runs[-1] + again]:
            in_root(root, [*image.entrypoint, *arguments], environment, user=user, folder=image.folder)
    print((work / "results/table2.md").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the root is made; must be empty or not there")
    parser.add_argument("--mirror", help="of Debian; default: debootstrap's own")
    parser.add_argument("--bind", type=Path, action="append", default=[], help="a folder that the root sees too")
    parser.add_argument("--keep", action="store_true", help="leave the root in FOLDER")
    parser.add_argument("--again", action="store_true", help="only step 3, in the root that --keep left")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if not chosen.inside:
        if not chosen.again and chosen.folder.is_dir() and any(chosen.folder.iterdir()):
            sys.exit(f"{chosen.folder} is not empty")
        # Mounts end with this command, and so does all that it started.
        again = ["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, *sys.argv, "--inside"]
        done = subprocess.run(again)
        if not chosen.keep:
            shutil.rmtree(chosen.folder, ignore_errors=True)
        sys.exit(done.returncode)
    root, image = chosen.folder.resolve(), read_dockerfile(DOCKERFILE.read_text())
    if not chosen.again:
        mirror = [chosen.mirror] if chosen.mirror else []
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root, *mirror], check=True)
    mount(root, [path.resolve() for path in chosen.bind])
    if not chosen.again:
        settings = {name: value for name, value in os.environ.items() if VARIABLES.match(name)}
        build(root, image, settings | {"PATH": os.defpath + ":/usr/sbin:/sbin", "DEBIAN_FRONTEND": "noninteractive"})
    use(root, image)


if __name__ == "__main__":
    main()
