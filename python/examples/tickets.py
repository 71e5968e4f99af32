"""Work that must not be lost: tickets in a SQLite file, with retries, order and a group.

    python tickets.py                   in a temporary folder
    python tickets.py tickets.db        in this file: run it twice

The first attempt at each mail fails, as networks do. The report runs when all mails are sent.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

from hersh.kharon import Claim, Kharon, Router, Settings, SqliteStore, Ticket


def send_mails(file: Path) -> list[str]:
    router, finished, said = Router(), threading.Event(), list[str]()

    @router.handle("mail")
    def mail(claim: Claim) -> None:
        if claim.attempts == 1:
            raise ConnectionError("no network")
        said.append(f"mail to {claim.json()['to']}, attempt {claim.attempts}")
        print(said[-1], flush=True)

    @router.handle("report")
    def report(claim: Claim) -> None:
        group = kharon.group("newsletter")
        assert group is not None
        said.append(f"{group.done} of {group.total} sent")
        print(said[-1], flush=True)
        # Acknowledged, it is removed; done, it would be kept.
        claim.ack()
        finished.set()

    router.limit("mail", concurrency=2)
    kharon = Kharon(SqliteStore(file), Settings(workers=4, max_backoff=0.05, max_attempts=5))
    with kharon:
        kharon.start(router)
        kharon.open_group("newsletter", finalizers=[Ticket("report")])
        for nice, name in enumerate(["ada", "grace", "mary"]):
            kharon.add(Ticket("mail", {"to": name}, group="newsletter", nice=nice))
        kharon.close_group("newsletter")
        finished.wait(60)
        kharon.stop(grace=10)
        kharon.delete_group("newsletter")
        print(kharon.stats(), flush=True)
    return said


def main(arguments: list[str]) -> None:
    if arguments:
        send_mails(Path(arguments[0]))
        return
    with tempfile.TemporaryDirectory() as folder:
        send_mails(Path(folder) / "tickets.db")


if __name__ == "__main__":
    main(sys.argv[1:])
