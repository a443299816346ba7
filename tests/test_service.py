"""The systemd unit, and what we tell systemd."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest
import warm

from bowstream.cli import service
from bowstream.cli.main import main
from bowstream.cli.service import quoted, unit_text
from bowstream.output.systemd import Notifier
from bowstream.records import Idle


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user whose systemd is not there, as in a container."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(service, "BOOTED", tmp_path / "no-systemd")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return tmp_path


@pytest.fixture
def systemctl(home, monkeypatch):
    """A systemd that notes what it is told, and fails when `fail` is there."""
    tools = home / "bin"
    tools.mkdir()
    program = tools / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {home}/told\n[ ! -e {home}/fail ] || {{ echo "no bus" >&2; exit 1; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setattr(service, "BOOTED", home)
    return home / "told"


def unit(home):
    return home / "systemd" / "user" / "bowstream.service"


def test_install_writes_the_unit_starts_it_and_is_idempotent(home, systemctl, capsys):
    for _ in range(2):
        assert main(["install-service", "--user", "--", "--hop", "0.5"]) == 0
        assert unit(home).read_text() == unit_text(False, ["--hop", "0.5"])
    assert [file.name for file in unit(home).parent.iterdir()] == ["bowstream.service"]
    out = capsys.readouterr().out
    assert "written" in out and "is up to date" in out and "loginctl enable-linger" in out
    once = ["--user daemon-reload", "--user enable bowstream.service", "--user restart bowstream.service"]
    assert systemctl.read_text().splitlines() == 2 * once


def test_uninstall_is_idempotent(home, systemctl, capsys):
    main(["install-service", "--user"])
    systemctl.unlink()
    for _ in range(2):
        assert main(["install-service", "--user", "--uninstall"]) == 0
    assert not unit(home).exists()
    assert systemctl.read_text().splitlines() == ["--user disable --now bowstream.service", "--user daemon-reload"]
    assert "nothing to remove" in capsys.readouterr().out


@pytest.mark.parametrize(("device", "told"), [("./now.flac", "{here}/now.flac"), ("USB", "USB"), ("rtsp://cam/x",) * 2])
def test_a_file_that_grows_is_found_from_the_services_folder(device, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in (["--device", device], [f"--device={device}"]):
        assert f"--device {told}".format(here=tmp_path) in unit_text(False, options).replace("--device=", "--device ")


@pytest.mark.parametrize("option", [["--device", "rtsp://me:hush@cam/x"], ["--device=rtsp://cam/x?pw=hush"]], ids=len)
def test_a_password_does_not_get_into_a_unit(option, home, systemctl, capsys):
    assert main(["install-service", "--user", "--", *option]) == 2
    said = capsys.readouterr()
    assert "set device in the configuration file" in said.err and "hush" not in said.err + said.out
    assert not unit(home).exists()


@pytest.mark.parametrize("scope", ["--user", "--system"])
def test_without_systemd_it_says_so_and_what_to_do_instead(scope, home, capsys):
    assert main(["install-service", scope, "--", "--hop", "0.5"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("bowstream: systemd does not run here, so nothing was installed: ")
    assert f" run {sys.executable} -m bowstream listen --events --reconnect --history --hop 0.5; " in err
    assert not unit(home).exists()


def test_uninstall_works_without_systemd(home, capsys):
    unit(home).parent.mkdir(parents=True)
    unit(home).touch()
    assert main(["install-service", "--user", "--uninstall"]) == 0
    assert not unit(home).exists()


def test_a_systemctl_that_is_missing_is_told(home, systemctl, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert main(["install-service", "--user"]) == 1
    assert capsys.readouterr().err == (
        "bowstream: 'systemctl --user daemon-reload' cannot be run: No such file or directory\n"
    )


@pytest.mark.parametrize("letter", ["\n", "\r", "\x1b", "\x85", "\u2028", "\udce9"])
def test_an_argument_writes_no_further_directives(letter, home, capsys, tmp_path):
    argument = f"x{letter}ExecStartPre=/bin/sh -c id"
    assert main(["install-service", "--print", "--", "--device", argument]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.isprintable() is False and letter not in err.strip()


def test_a_path_writes_no_further_directives(home, tmp_path, monkeypatch, capsys):
    (tmp_path / "a\nUser=root").mkdir()
    assert main(["install-service", "--print", "--", "--bundle", str(tmp_path / "a\nUser=root")]) == 2
    monkeypatch.chdir(tmp_path / "a\nUser=root")
    (tmp_path / "a\nUser=root/b").mkdir()
    assert main(["install-service", "--print", "--", "--bundle=b"]) == 2
    monkeypatch.setattr(sys, "executable", "/opt/a\nUser=root/python")
    assert main(["install-service", "--print"]) == 2
    assert capsys.readouterr().out == ""


def test_sudo_user_writes_no_further_directives(home, monkeypatch, capsys):
    monkeypatch.setenv("SUDO_USER", "pi\nExecStartPre=/bin/id")
    assert main(["install-service", "--system", "--print"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "bowstream: SUDO_USER must be a user's name (got 'pi\\nExecStartPre=/bin/id')\n"


def test_a_setting_that_makes_no_sense_is_refused_at_once(home, capsys):
    assert main(["install-service", "--print", "--", "--hop", "7"]) == 2
    assert capsys.readouterr() == ("", "bowstream: --hop must be 0.1 … 1 (got 7)\n")


def test_the_unit_waits_for_the_clock_and_keeps_files_private():
    lines = unit_text(True, []).splitlines()
    assert {"After=time-sync.target", "Wants=time-sync.target", "UMask=0077"} <= set(lines)
    assert not any("@" in line and "system-service" not in line for line in lines)


def test_print_changes_nothing(home, capsys):
    assert main(["install-service", "--user", "--print"]) == 0
    unit_printed = capsys.readouterr().out
    assert unit_printed == unit_text(False, [])
    assert "http" not in unit_printed
    assert not unit(home).exists()


def test_a_failing_systemctl_is_told(home, systemctl, capsys):
    (home / "fail").touch()
    assert main(["install-service", "--user"]) == 1
    assert capsys.readouterr().err == "bowstream: 'systemctl --user daemon-reload' failed: no bus\n"


def test_a_folder_that_cannot_be_written(home, systemctl, capsys):
    (home / "systemd").write_text("a file")
    assert main(["install-service", "--user"]) == 1
    assert "use sudo, or --user" in capsys.readouterr().err


def test_options_are_those_of_listen(home, capsys):
    with pytest.raises(SystemExit) as exit_status:
        main(["install-service", "--user", "--print", "--", "--no-such-option"])
    assert exit_status.value.code == 2
    assert capsys.readouterr().err.endswith("--no-such-option; see 'bowstream listen --help'\n")
    assert main(["install-service", "--user", "--print", "--", "--bundle", "/no/such/folder"]) == 2
    assert "there is no '/no/such/folder'" in capsys.readouterr().err


def test_paths_become_absolute(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert f"--bundle {tmp_path}/model" in unit_text(False, ["--bundle", "model"])
    assert f"--bundle={tmp_path}/model" in unit_text(False, ["--bundle=model"])


def test_system_service_runs_as_whoever_called_sudo(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "pi")
    assert "\nUser=pi\n" in unit_text(True, [])
    monkeypatch.delenv("SUDO_USER")
    assert "\nDynamicUser=yes\n" in unit_text(True, [])


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("100% $5", '"100%% $$5"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("", '""'),
    ],
)
def test_arguments_survive_systemd(argument, written):
    assert quoted(argument) == written


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("as_system", [True, False])
def test_systemd_understands_the_unit(tmp_path, as_system):
    file = tmp_path / "bowstream.service"
    file.write_text(unit_text(as_system, ["--device", 'a "strange" 100% name']))
    checked = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True)
    assert "bowstream.service" not in checked.stderr, checked.stderr


# What we tell systemd


@pytest.fixture
def notify(tmp_path, monkeypatch):
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(20.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield line


def test_ready_at_the_first_record_alive_at_later_ones_and_goodbye(notify, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with Notifier() as notifier:
        notifier.write(Idle())
        notifier._due_s = 0.0
        notifier.write(Idle())
        notifier.write(Idle())  # too soon
    said = [notify.recv(100) for _ in range(4)]
    assert said == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_says_nothing_where_nobody_asks(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    with Notifier() as notifier:
        notifier.write(Idle())


def test_a_containers_health_check_has_a_file_to_look_at(monkeypatch, tmp_path):
    alive = tmp_path / "alive"
    monkeypatch.setenv("BOWSTREAM_ALIVE", str(alive))
    with Notifier() as notifier:
        notifier.write(Idle())
        assert alive.exists()
        alive.unlink()
        notifier.write(Idle())
        assert not alive.exists()  # it is not due yet
        notifier._due_s = 0.0
        notifier.write(Idle())
        assert alive.exists()


def test_a_socket_that_is_gone_is_no_reason_to_stop(notify, tmp_path):
    (tmp_path / "notify").unlink()
    with Notifier() as notifier:
        notifier.write(Idle())


def test_listen_keeps_the_watchdog_fed_and_ends_when_asked(notify, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    command = [sys.executable, "-m", "bowstream", "listen", "--demo", "--events"]
    process = warm.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert notify.recv(100) == b"READY=1"
    assert [notify.recv(100) for _ in range(3)] == 3 * [b"WATCHDOG=1"]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "dBFS" not in out  # no line a hop
    assert "hops" in err
    said = b"WATCHDOG=1"
    while said == b"WATCHDOG=1":
        said = notify.recv(100)
    assert said == b"STOPPING=1"
