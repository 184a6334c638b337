"""How the command line ends when its surroundings fail it: exit codes, words, no traceback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, wait_for

OTTLA = [sys.executable, "-m", "control_plane.cli.main"]
NOBODY_LISTENS = "http://127.0.0.1:1"


def ottla(*words: str, **more: object) -> "subprocess.CompletedProcess[str]":
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]  # options are passed through
        [*OTTLA, *words],
        **{
            "text": True,
            "timeout": 60,
            "check": False,
            "cwd": ROOT,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": {**os.environ, "OTTLA_URL": NOBODY_LISTENS},
            **more,
        },
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    "words",
    [
        ("bogus", "--json"),
        ("kafka:topics:create", "--json"),
        ("up", "--port", "x", "--json"),
        ("apps", "--bogus", "--json"),
    ],
)
def test_a_wrong_command_line_is_told_in_json_where_asked(words: tuple[str, ...]) -> None:
    done = ottla(*words)
    assert done.returncode == 2
    assert json.loads(done.stderr)["id"] == "usage"


def test_a_question_without_an_answer_ends_with_130() -> None:
    done = ottla("login")
    assert done.returncode == 130
    assert "interrupted" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_under_the_output_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = ottla("exit-codes", stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr


def test_a_reader_that_leaves_is_no_error_to_talk_about() -> None:
    read, write = os.pipe()
    os.close(read)
    done = ottla("exit-codes", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_login_that_cannot_be_stored_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "ottla").write_text("a file where a folder should be")
    done = ottla("logout", env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "credentials.json" in done.stderr


def test_up_refuses_a_strangers_directory(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    done = ottla("up", "--data-dir", str(tmp_path), "--port", "0", "--json")
    assert done.returncode == 5
    assert "holds other things" in json.loads(done.stderr)["message"]
    assert [each.name for each in tmp_path.iterdir()] == ["thesis"]
    done = ottla("demo", "--data-dir", str(tmp_path))
    assert done.returncode != 0
    assert [each.name for each in tmp_path.iterdir()] == ["thesis"]


def test_up_refuses_a_database_without_its_secrets(tmp_path: Path) -> None:
    """A new key in the place of a lost one would open nothing of what is sealed."""
    data = tmp_path / "data"
    data.mkdir()
    (data / ".ottla").write_text("A data directory of Ottla, layout 1.\n")
    (data / "postgres" / "cluster").mkdir(parents=True)
    done = ottla("up", "--data-dir", str(data), "--port", "0")
    assert done.returncode == 5
    assert "is missing" in done.stderr
    assert list((data / "secrets").iterdir()) == []


def test_up_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ottla("up", "--data-dir", str(tmp_path / "file" / "data"), "--port", "0")
    assert done.returncode == 5
    assert "Not a directory" in done.stderr


def test_down_twice_and_on_nothing_is_fine(tmp_path: Path) -> None:
    for _ in range(2):
        done = ottla("down", "--data-dir", str(tmp_path / "nothing"))
        assert done.returncode == 0
        assert "nothing was running" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("until", ["postgres", "logs/release.log", "logs/worker.log"])
def test_ctrl_c_in_the_middle_of_the_start(until: str, service_directory: Path) -> None:
    """To the whole process group, as a terminal does: a clean end, nothing left, no complaint."""
    data = service_directory / f"interrupted at {Path(until).name}"  # a space is no obstacle
    up = subprocess.Popen(
        [*OTTLA, "up", "--data-dir", data, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for((data / until).exists, until)
        os.killpg(up.pid, signal.SIGINT)
        said, _ = up.communicate(timeout=60)
    finally:
        up.kill()
    assert up.returncode == 0, said
    assert said.strip().splitlines()[-1].startswith("stopped in")


def mounted(folder: Path, size: str) -> bool:
    """Whether a small file system of `size` is now at `folder`; only root may, and not anywhere."""
    if os.geteuid() != 0:
        return False
    options = f"size={size},mode=755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "ottla-test", folder],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's database runs as another account")
def test_up_where_the_databases_account_cannot_go(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = ottla("up", "--data-dir", str(tmp_path / "data"), "--port", "0")
    assert done.returncode == 1
    assert "whose parents everyone may traverse" in done.stderr


def test_up_on_a_full_disk_says_so(service_directory: Path) -> None:
    folder = service_directory / "disk"
    folder.mkdir()
    if not mounted(folder, "2m"):
        pytest.skip("only root may mount a small disk")
    try:
        done = ottla("up", "--data-dir", str(folder), "--port", "0")
        assert done.returncode != 0
        assert "No space left on device" in done.stderr
    finally:
        subprocess.run(["umount", folder], check=True)
