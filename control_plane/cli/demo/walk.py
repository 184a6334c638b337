"""The demo's walk: start, sign up, order an add-on, stream real records, check, tell, stop."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from control_plane.cli import output
from control_plane.cli.demo.check import Verdict, check
from control_plane.cli.demo.flights import RECORD_COUNT, data_set_path, read_flights
from control_plane.cli.demo.service import DemoService
from control_plane.cli.demo.stream import Stream, StreamResult
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.kafka_client import settings_from_config_vars
from control_plane.cli.platform import Json, Platform
from control_plane.local.data_directory import DataDirectory, write_private
from control_plane.local.progress import Progress

PLAN = "ottla-kafka:mini-0"
APP = "flights"
TOPIC = "flights"
PARTITIONS = 8
OPERATION_SECONDS_MAX = 120.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """began_at: Unix seconds at which `make demo` began, so that its install can be told apart."""

    keep: bool
    port: int
    began_at: float | None = None
    data_directory: Path | None = None


class Demo:
    """One run. `figures` is what `--json` prints."""

    def __init__(self, options: DemoOptions, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._started_at = time.time()
        folder = options.data_directory or Path(tempfile.mkdtemp(prefix="ottla-demo-"))
        self.data_directory = folder.resolve()
        DataDirectory(self.data_directory).claim()
        self._service = DemoService(self.data_directory, options.port)
        self.figures: dict[str, Any] = {}

    def run(self) -> int:
        """0 if every record came out right and nothing was left behind, else 1."""
        if self._options.began_at is not None:
            self._note("install", self._started_at - self._options.began_at)
        right = False
        try:
            right = self._walk()
        finally:
            if not (self._options.keep and right):
                self._stop(remove=right)
        return 0 if right else 1

    def _walk(self) -> bool:
        self._progress.line("[bold]Ottla demo[/bold]: real flights through a provisioned add-on\n")
        began = time.time()
        self._progress.line("starting the service")
        state = self._service.start(self._progress)
        self._note("start", time.time() - began)
        platform = Platform(state.api_url, None)
        try:
            platform = self._sign_up(platform, state.api_url)
            addon = self._provision(platform)
            result = self._stream(platform.get(f"/apps/{APP}/config-vars"))
            with self._step("check every record"):
                verdict = check(read_flights(data_set_path()), result)
            self._note("total", time.time() - (self._options.began_at or self._started_at))
            self._tell(platform, addon, result, verdict, state.dashboard_url)
        finally:
            platform.close()
        return not verdict.differences

    def _sign_up(self, platform: Platform, url: str) -> Platform:
        email, password = "demo@example.com", secrets.token_urlsafe(12)
        with self._step("sign up"):
            platform.post("/accounts", {"email": email, "password": password})
            reply = platform.post(
                "/oauth/authorizations",
                {"description": "demo"},
                auth=httpx.BasicAuth(email, password),
            )
        platform.close()
        token = reply["access_token"]["token"]
        write_private(
            self.data_directory / "demo-login.txt",
            f"email: {email}\npassword: {password}\ntoken: {token}\n",
        )
        return Platform(url, token)

    def _provision(self, platform: Platform) -> Json:
        with self._step(f"apps:create {APP}"):
            platform.post("/apps", {"name": APP})
        with self._step(f"addons:create {PLAN}", "waiting for its broker") as took:
            addon = platform.post(f"/apps/{APP}/addons", {"plan": {"name": PLAN}})
            addon = self._await(lambda: platform.get(f"/addons/{addon['id']}"), "provisioned")
        self._note("provision", took())
        with self._step(f"kafka:topics:create {TOPIC} ({PARTITIONS} partitions)") as took:
            topics = f"/data/kafka/v0/clusters/{addon['id']}/topics"
            platform.post(topics, {"topic": {"name": TOPIC, "partition_count": PARTITIONS}})
            self._await(lambda: platform.get(topics)["topics"][0], "ready", field="status")
        self._note("topic", took())
        idle = self._service.memory_mib()
        self.figures["idle_memory_mib"] = {name: round(mib, 1) for name, mib in idle.items()}
        return addon

    def _await(self, ask: Any, wanted: str, field: str = "state") -> Json:
        """Poll until ask()[field] is `wanted`; `failed` ends it with its reason."""
        deadline = time.monotonic() + OPERATION_SECONDS_MAX
        while time.monotonic() < deadline:
            now = ask()
            if now[field] == wanted:
                return now
            if now[field] in {"failed", "deprovisioned"}:
                reason = now.get("reason") or now.get("status_label") or now[field]
                raise CliError(f"{now['name']} failed: {reason}", code=ExitCode.FAILED)
            time.sleep(POLL_SECONDS)
        raise CliError(f"not {wanted} after {OPERATION_SECONDS_MAX:.0f} s", code=ExitCode.TIMED_OUT)

    def _stream(self, config_vars: dict[str, str]) -> StreamResult:
        with self._step(f"stream {RECORD_COUNT:,} flights", "writing and reading") as took:
            stream = Stream(settings_from_config_vars(config_vars), TOPIC)
            result = stream.run(read_flights(data_set_path()), RECORD_COUNT)
        self._note("stream", took())
        since = time.monotonic() - result.first_record_at
        began = self._options.began_at or self._started_at
        self._note("to the first record", time.time() - since - began)
        return result

    def _tell(
        self, platform: Platform, addon: Json, result: StreamResult, verdict: Verdict, url: str
    ) -> None:
        usage = platform.get(f"/addons/{addon['id']}/usage")
        rate = verdict.records_in / result.read_seconds
        self.figures |= {
            "records_in": verdict.records_in,
            "records_out": verdict.records_out,
            "redelivered": verdict.redelivered,
            "lag": result.lag,
            "differences": verdict.differences,
            "records_per_s": round(rate),
            "written_per_s": round(verdict.records_in / result.write_seconds),
            "partitions_by_member": result.partitions_by_member,
            "commits_while_writing": [m.commits_while_writing for m in result.members],
            "dashboard_url": url,
            "cost_micros": usage["amount_micros"],
            "currency": usage["currency"],
        }
        show = self._progress.line
        show()
        show(f"records in          {verdict.records_in:>12,}")
        show(f"records out         {verdict.records_out:>12,}")
        show(f"redelivered         {verdict.redelivered:>12,}")
        show(f"lag                 {result.lag:>12,}")
        show(f"records/s           {rate:>12,.0f}   written and read back, keys kept in order")
        show(f"group               {MEMBERS_TEXT.format(*result.partitions_by_member)}")
        seconds = self.figures["seconds"]
        show("seconds             " + ", ".join(f"{k} {v:.2f}" for k, v in seconds.items()))
        idle = self.figures["idle_memory_mib"]
        show("idle memory (MiB)   " + ", ".join(f"{k} {v:.0f}" for k, v in idle.items()))
        show(f"cost so far         {output.money(usage['amount_micros'], usage['currency'])}")
        show(f"dashboard           {url}")
        if verdict.differences:
            show("\n[red bold]What came out differs from what went in:[/red bold]")
            for difference in verdict.differences:
                show(f"[red]  {difference}[/red]")
        else:
            show("\n[green bold]Every record came out once, in order per key.[/green bold]")
            if self._options.keep:
                show(f"\nkept running: data in {self.data_directory}, dashboard at {url}")
                show(f"sign in with {self.data_directory / 'demo-login.txt'}")
                show(f"stop it with: ottla down --data-dir {self.data_directory}")

    def _stop(self, *, remove: bool) -> None:
        with self._step("stop the service, look for leftovers"):
            self._service.stop()
        if remove and self._options.data_directory is None:
            shutil.rmtree(self.data_directory, ignore_errors=True)
        else:
            self._progress.line(f"data and logs are kept in {self.data_directory}")

    @contextmanager
    def _step(self, name: str, waiting_for: str = "") -> Iterator[Any]:
        """A progress step; yields a function that tells its seconds once it ended."""
        began = time.monotonic()
        ended: list[float] = []
        with self._progress.step(name, waiting_for):
            yield lambda: ended[0]
            ended.append(time.monotonic() - began)

    def _note(self, name: str, seconds: float) -> None:
        self.figures.setdefault("seconds", {})[name] = round(seconds, 3)


MEMBERS_TEXT = "two members, {} and {} partitions, committing while writing went on"
