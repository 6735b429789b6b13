"""A small SLURM cluster on this machine: true sbatch, squeue and scancel, and nodes to kill.

Every node is a slurmd process of its own on this host, which Debian's build allows. Keys,
configuration, state and logs lie in one folder; nothing under /etc is read or written, no service
manager is needed, and nothing has to be root but the installation:

    apt-get install --no-install-recommends slurmctld slurmd slurm-client munge

The tests start and stop a cluster of their own. By hand, for a look at how the workflow behaves:

    python tests/slurm/cluster.py up [folder]      # and do what it prints
    python tests/slurm/cluster.py down [folder]

What it cannot show: file systems and software that differ between nodes, a slow shared file system,
and cgroups (memory is watched by polling, which kills as well). There is no accounting database, so
account names are not checked and `squeue` is the command that knows what became of a job.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
}
ACCOUNT, PARTITION = "lab", "main"
# Debian puts the daemons where an ordinary user's PATH does not look.
_SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_ENDED = ("slurmctld", "munged")


def missing_packages() -> list[str]:
    """List the Debian packages that are not installed."""
    return [p for command, p in PACKAGES.items() if shutil.which(command, path=_SEARCH) is None]


class Cluster:
    """A controller and some nodes.

    Parameters
    ----------
    folder : path
        Everything the cluster writes. All above it must be passable for everybody, or munge
        refuses its socket.
    nodes, cpus, memory_mb : int
        How many nodes, and what each says that it has; it may be more than this machine has.
    """

    def __init__(self, folder: Path, nodes: int = 3, cpus: int = 4, memory_mb: int = 8000):
        self.folder = Path(folder).resolve()
        self.nodes = [f"node{i}" for i in range(1, nodes + 1)]
        self.cpus, self.memory_mb = cpus, memory_mb
        self.name = f"crossfc{self.folder.name}".replace("_", "").replace("-", "").lower()[:40]
        self._started: dict[str, subprocess.Popen] = {}

    # To use it ---------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which sbatch and its like speak to this cluster."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))}
        return clean | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{_SEARCH}",
        }

    def ask(self, *command: str, check: bool = True) -> str:
        """Run a SLURM command and give what it printed."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def queue(self) -> list[dict[str, str]]:
        """List the jobs that wait or run, with what Snakemake said they are."""
        fields = {"job": "%i", "state": "%T", "comment": "%k", "node": "%N", "name": "%j"}
        text = self.ask("squeue", "--noheader", "--format", "|".join(fields.values()))
        return [dict(zip(fields, line.split("|"), strict=True)) for line in text.splitlines()]

    def ended(self) -> list[dict[str, str]]:
        """List the jobs that have ended, in the order they did: state, node, times."""
        record = self.folder / "log/ended.txt"
        lines = record.read_text().splitlines() if record.exists() else []
        return [dict(p.split("=", 1) for p in line.split() if "=" in p) for line in lines]

    # Up and down -------------------------------------------------------------------------------

    def up(self, timeout: float = 60) -> None:
        """Start the daemons, and come back when a job has run."""
        if missing := missing_packages():
            raise RuntimeError(
                "apt-get install --no-install-recommends " + " ".join(missing) + " (missing)"
            )
        for name in ("", "log", "run", "state", "spool", "bin", "munge"):
            path = self.folder / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        self._write_key()
        self._write_configuration()
        self._start_munged()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        wait_for(self._all_idle, timeout, "the nodes to register")
        out = self.folder / "log/first.txt"
        script = "#!/bin/sh\nexec srun -n1 hostname\n"
        subprocess.run(
            ["sbatch", "--wait", "--mem=50", "--time=1", "--output", str(out), "/dev/stdin"],
            input=script,
            env=self.environment,
            cwd=self.folder,
            timeout=timeout,
            check=True,
            text=True,
            stdout=subprocess.DEVNULL,
        )
        assert out.read_text().strip(), f"the first job printed nothing; see {self.folder}/log"

    def down(self) -> None:
        """End all jobs and daemons; the folder stays."""
        if self._pid("slurmctld"):
            with contextlib.suppress(subprocess.SubprocessError):
                self.ask("scancel", "--full", "--signal=KILL", "--me", check=False)
                self.ask("scancel", "--me", check=False)
        for name in ("slurmctld", *(f"slurmd-{node}" for node in self.nodes)):
            self._end(name)
        for pid in self._job_pids():
            _kill(pid)
        self._end("munged")

    def start_controller(self) -> None:
        """Start the controller, or start it again from the state it saved."""
        self._start("slurmctld", ["slurmctld", "-D"])
        wait_for(lambda: "UP" in self.ask("scontrol", "ping", check=False), 30, "the controller")

    def stop_controller(self) -> None:
        """Stop the controller; jobs go on."""
        self._end("slurmctld")

    def start_node(self, node: str) -> None:
        """Start a node, or start it again after it was killed."""
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        self._start(f"slurmd-{node}", ["slurmd", "-D", "-N", node])

    def empty(self, timeout: float = 30) -> None:
        """Cancel all jobs and wait until they are gone."""
        self.ask("scancel", "--me", check=False)
        try:
            wait_for(lambda: not self.queue(), timeout, "the queue to be empty")
        except TimeoutError:
            for pid in self._job_pids():
                _kill(pid)

    def revive(self) -> None:
        """Start again what a test has killed."""
        if not self._pid("slurmctld"):
            self.start_controller()
        for node in self.nodes:
            if not self._pid(f"slurmd-{node}"):
                self.start_node(node)
        wait_for(self._all_idle, 60, "the nodes to come back")

    def kill_node(self, node: str) -> None:
        """Take a node's power away: its slurmd, its job steps and their processes are gone."""
        self._end(f"slurmd-{node}", signal.SIGKILL)
        for pid in self._job_pids(node):
            _kill(pid)

    # Inside ------------------------------------------------------------------------------------

    def _write_key(self) -> None:
        key = self.folder / "munge/key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(1024))

    def _write_configuration(self) -> None:
        host, user, loopback = socket.gethostname().split(".")[0], getpass.getuser(), False
        # On the loopback only, where the host's own name leads there.
        with contextlib.suppress(OSError):
            loopback = socket.gethostbyname(host).startswith("127.")
        ports = _free_ports(1 + len(self.nodes))
        settings = {
            "ClusterName": self.name,
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": ports[0],
            "SlurmUser": user,
            "SlurmdUser": user,
            "AuthType": "auth/munge",
            # A job that is queued again waits until its old credentials have expired.
            "AuthInfo": f"socket={self.folder}/munge/socket,cred_expire=10",
            "CredType": "cred/munge",
            "StateSaveLocation": f"{self.folder}/state",
            "SlurmdSpoolDir": f"{self.folder}/spool/%n",
            "SlurmctldPidFile": f"{self.folder}/run/slurmctld.own.pid",
            "SlurmdPidFile": f"{self.folder}/run/slurmd-%n.own.pid",
            "SlurmctldLogFile": f"{self.folder}/log/slurmctld.log",
            "SlurmdLogFile": f"{self.folder}/log/slurmd-%n.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "MpiDefault": "none",
            "SlurmdParameters": "config_overrides",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU_Memory",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "batch_sched_delay=0,sched_interval=5,bf_interval=5",
            # Memory is looked at every second; a job above what it asked for is killed.
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "JobAcctGatherParams": "OverMemoryKill",
            "AccountingStorageType": "accounting_storage/none",
            "JobCompType": "jobcomp/filetxt",
            "JobCompLoc": f"{self.folder}/log/ended.txt",
            # A lost node is noticed after seconds, not after SLURM's five minutes.
            "SlurmctldTimeout": 20,
            "SlurmdTimeout": 10,
            "KillWait": 3,
            "ReturnToService": 2,
        }
        if loopback:
            settings["CommunicationParameters"] = "NoInAddrAny,NoCtldInAddrAny"
        lines = [f"{key}={value}" for key, value in settings.items()]
        lines += [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={self.cpus} RealMemory={self.memory_mb} State=UNKNOWN"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        ]
        lines.append(f"PartitionName={PARTITION} Nodes=ALL Default=YES MaxTime=1-0 State=UP")
        (self.folder / "slurm.conf").write_text("\n".join(lines) + "\n")
        # The executor plugin takes every variable SLURM_* from the srun that it starts inside a
        # job. That srun then looks into /etc/slurm, so this one comes first in the PATH.
        srun = self.folder / "bin/srun"
        real = shutil.which("srun", path=_SEARCH)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
        srun.chmod(0o755)

    def _start_munged(self) -> None:
        own = self.folder / "munge"
        options = [f"--key-file={own}/key", f"--socket={own}/socket", f"--seed-file={own}/seed"]
        options += [f"--pid-file={own}/pid", f"--log-file={self.folder}/log/munged.log"]
        self._start("munged", ["munged", "--foreground", *options])
        wait_for((own / "socket").exists, 10, "munged")

    def _start(self, name: str, command: list[str]) -> None:
        if self._pid(name):
            return
        with open(self.folder / f"log/{name}.out", "ab") as out:
            process = subprocess.Popen(
                [shutil.which(command[0], path=_SEARCH), *command[1:]],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._started[name] = process
        (self.folder / f"run/{name}.pid").write_text(f"{process.pid}\n")

    def _end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        pid = self._pid(name)
        if pid:
            os.kill(pid, how)
            try:
                wait_for(lambda: not self._pid(name), 10, name)
            except TimeoutError:
                _kill(pid)
        (self.folder / f"run/{name}.pid").unlink(missing_ok=True)

    def _pid(self, name: str) -> int | None:
        """Return the process of a daemon, if it is alive."""
        if name in self._started:
            # One that ended stays in the table of processes until it is asked about.
            return None if self._started[name].poll() is not None else self._started[name].pid
        file = self.folder / f"run/{name}.pid"
        if not file.exists():
            return None
        pid = int(file.read_text())
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            command = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            return None
        # The number may belong to another process by now.
        return pid if state != "Z" and name.startswith(command) else None

    def _job_pids(self, node: str | None = None) -> list[int]:
        """List the processes of this cluster's jobs (on one node), managers of steps first."""
        own, managers = [], []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                manager = Path(f"/proc/{parent}/comm").read_text().startswith("slurmstepd")
            except OSError:
                continue
            if f"SLURM_CLUSTER_NAME={self.name}".encode() not in variables:
                continue
            if node is None or f"SLURMD_NODENAME={node}".encode() in variables:
                own.append(int(entry.name))
                if manager:
                    managers.append(parent)
        return [*dict.fromkeys(managers), *own]

    def _all_idle(self) -> bool:
        text = self.ask("sinfo", "--noheader", "--Node", "--format=%N %T", check=False)
        return sorted(text.split("\n")[:-1]) == [f"{node} idle" for node in sorted(self.nodes)]


def wait_for(true: Callable[[], object], timeout: float, what: str) -> None:
    """Ask again until it is true.

    Raises
    ------
    TimeoutError
        If it has not become true in time.
    """
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Start or stop a cluster by hand."""
    word, *rest = sys.argv[1:] or ["help"]
    folder = Path(rest[0] if rest else "/tmp/crossfc-slurm")
    cluster = Cluster(folder)
    if word == "up":
        cluster.up()
        print(f"export SLURM_CONF={folder}/slurm.conf PATH={folder}/bin:$PATH")
        print(f"# account {ACCOUNT}, partition {PARTITION}; logs in {folder}/log")
    elif word == "down":
        cluster.down()
    else:
        print(__doc__)


if __name__ == "__main__":
    main()
