"""`sakuga farm`: a farm on this machine, machines that join it, and what it needs on its server."""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.farm_machine import (
    base_environment,
    check_name,
    check_port,
    farm_folder,
    server_member,
    worker_members,
)
from app.farm_members import Members
from app.refusal import refuse
from app.server import configured_server
from sakuga.errors import FarmError, SakugaError

if TYPE_CHECKING:
    from deployments.install import Installed

T = TypeVar("T")
START_TIMEOUT = 120.0
"""Seconds until the server must answer; a first start makes its database."""

TICK = 0.5

farm = typer.Typer(
    help="One video over many machines: start a farm, join one, look at it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Gpus = Annotated[
    str,
    typer.Option("--gpu-workers", help="Workers of the GPU pool: `auto` is one for each GPU.", metavar="N"),
]
Cpus = Annotated[int, typer.Option("--cpu-workers", min=0, help="Workers of the CPU pool.")]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", help="What its workers are called after, in place of its host name.", metavar="NAME"
    ),
]


@farm.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 4200,
    host: Annotated[
        str, typer.Option(help="Address to listen at; `0.0.0.0` lets other machines in.")
    ] = "127.0.0.1",
    cpu_workers: Cpus = 1,
    gpu_workers: Gpus = "auto",
    name: Name = None,
) -> None:
    """Start a whole farm on this machine: server, pools, deployments, workers. Ctrl-C ends it."""
    with (
        _ended_by_signal("Ending workers and server", "Ended; `sakuga farm up` goes on from here."),
        _refusing(),
    ):
        count = _gpu_count(gpu_workers)
        check_name(name)
        with _only_one(), Members(typer.echo) as members:
            check_port(host, port)
            here = "127.0.0.1" if host == "0.0.0.0" else host
            url = f"http://{here}:{port}/api"
            environment = _adopt(base_environment(url))
            typer.echo(f"Starting Prefect's server on port {port}; everything is kept in {farm_folder()}")
            server = server_member(host, port, environment)
            members.add_server(server)
            _wait_for_server(url, server.has_died, str(server.log))
            typer.echo(_summary(_install()))
            for worker in worker_members(cpu_workers, count, environment, name):
                members.add_worker(worker)
                typer.echo(f"Worker {worker.name}")
            _say_addresses(url)
            _watch(members)


@farm.command()
def join(
    server: Annotated[
        str, typer.Argument(help="Address of the farm's server, such as http://main:4200/api.")
    ],
    cpu_workers: Cpus = 0,
    gpu_workers: Gpus = "auto",
    name: Name = None,
) -> None:
    """Have this machine work for a farm that runs elsewhere. Ctrl-C ends its workers."""
    with _ended_by_signal("Ending these workers", "Ended; the farm goes on without them."), _refusing():
        count = _gpu_count(gpu_workers)
        check_name(name)
        url = server.rstrip("/")
        url = url if url.endswith("/api") else f"{url}/api"
        environment = _adopt(base_environment(url))
        with _only_one(), Members(typer.echo) as members:
            # Prefect looks for the folder that is made here
            from deployments.install import server_version

            typer.echo(f"Joining {url} (Prefect {_run(server_version)})")
            for worker in worker_members(cpu_workers, count, environment, name):
                members.add_worker(worker)
                typer.echo(f"Worker {worker.name}")
            typer.echo("Ctrl-C ends these workers; the farm goes on.")
            _watch(members)


@farm.command()
def install() -> None:
    """Put pools, deployments, block types and automations on the configured server, or update them."""
    with _refusing():
        _need_server()
        typer.echo(_summary(_install()))


@farm.command()
def status() -> None:
    """Show the server, its pools with their workers, and the runs."""
    with _refusing():
        _need_server()
        from deployments.status import farm_status

        typer.echo("\n".join(_run(farm_status)))


@farm.command()
def notify(
    address: Annotated[str, typer.Argument(help="An http(s) address that takes a POST with JSON, or `off`.")],
) -> None:
    """Call a webhook for every video that was enhanced or failed."""
    with _refusing():
        _need_server()
        from deployments.automations import notify_by_webhook, stop_notifying

        if address == "off":
            found = _run(lambda: _with_client(stop_notifying))
            typer.echo("Nobody is notified any longer." if found else "Nobody was notified.")
            return
        if not address.startswith(("http://", "https://")):
            raise FarmError(f"{address!r} is not an address to notify: it begins with http:// or https://.")
        _run(lambda: _with_client(lambda client: notify_by_webhook(client, address)))
        typer.echo(
            "Every video that is enhanced or fails is posted there; `sakuga farm notify off` ends that."
        )


@farm.command()
def watch(
    folder: Annotated[str, typer.Argument(help="A folder of the CPU workers, or a prefix of the store.")],
    output: Annotated[str | None, typer.Option("-o", "--output", help="Folder for the results.")] = None,
    preset: Annotated[str | None, typer.Option(help="A preset block, by name.")] = None,
    store: Annotated[str | None, typer.Option(help="A media store block, as type/name.")] = None,
    every: Annotated[float, typer.Option(min=10, help="Seconds between two looks.")] = 60,
    off: Annotated[bool, typer.Option("--off", help="Watch it no longer.")] = False,
) -> None:
    """Enhance every video that is put into a folder, from now on."""
    with _refusing():
        _need_server()
        from deployments.watches import unwatch
        from deployments.watches import watch as put

        if off:
            found = _run(lambda: _with_client(lambda client: unwatch(client, folder, store)))
            typer.echo("It is watched no longer." if found else "It was not watched.")
            return
        more = {"output": output, "preset": preset, "store": store, "dispatch": "pool"}
        _run(lambda: _with_client(lambda client: put(client, every, folder=folder, **more)))
        typer.echo(
            f"Looking into {folder} every {every:.0f} s; `sakuga farm watch {folder} --off` ends that."
        )


async def _with_client(function: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    from prefect.client.orchestration import get_client

    from deployments.install import check_server

    async with get_client() as client:
        await check_server(client)
        return await function(client)


def _run(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(function())


def _install() -> "Installed":
    from deployments.install import install as put

    return _run(put)


def _summary(installed: "Installed") -> str:
    lines = [f"Deployments: {', '.join(installed.deployments)}"]
    if installed.pools:
        lines.insert(0, f"Work pools made: {', '.join(installed.pools)}")
    return "\n".join(lines)


def _need_server() -> None:
    if configured_server() is None:
        raise FarmError(
            "No Prefect server is configured: start a farm with `sakuga farm up`, or set PREFECT_API_URL, "
            "such as http://127.0.0.1:4200/api."
        )


def _gpu_count(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdigit() or int(text) > 64:
        raise FarmError(f"--gpu-workers is `auto` or a number up to 64, not {text!r}.")
    return int(text)


def _adopt(environment: dict[str, str]) -> dict[str, str]:
    """Make it this process's own too, before Prefect is imported and reads it."""
    for name in ("PREFECT_PROFILE", "PREFECT_API_KEY"):
        os.environ.pop(name, None)
        environment.pop(name, None)
    os.environ.update(environment)
    return environment


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except SakugaError as error:
        refuse(error, as_json=False)


@contextlib.contextmanager
def _ended_by_signal(ending: str, ended: str) -> Iterator[None]:
    """The first signal ends the farm in order, which takes some seconds; more of them change nothing."""

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        typer.echo(f"\n{ending}")
        raise KeyboardInterrupt

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, hear)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(ended)


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Two farms of one SAKUGA_HOME would share a database."""
    folder = farm_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise FarmError(
            f"The folder {str(folder)!r} cannot be used: {error.strerror}; set SAKUGA_HOME."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FarmError(
                f"A farm with its data in {str(folder)!r} is running already; end it, or set SAKUGA_HOME."
            ) from error
        yield


def _wait_for_server(url: str, died: Callable[[], bool], log: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and not died():
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise FarmError(f"Prefect's server did not start; its log is {log!r}.")


def _say_addresses(url: str) -> None:
    from deployments.status import form_of

    page = url.removesuffix("/api")
    typer.echo(
        f"\nThe farm is running. Open:\n"
        f"  {page}/dashboard  what happens\n"
        f"  {_run(lambda: form_of('enhance/enhance-video'))}  the form that enhances a video\n"
        f"  {page}/runs  all runs\n"
        f"In another terminal: export PREFECT_API_URL={url}\n"
        f"Ctrl-C ends everything."
    )


def _watch(members: Members) -> None:
    while True:
        members.watch()
        time.sleep(TICK)
