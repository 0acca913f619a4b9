#!/usr/bin/env python3
"""Random pairs of programs under `leat run`, some killed, checksummed end to end; `./dev soak [MINUTES]`.

soak.py --worker W [--static S] [--minutes M | --pairs N] [--seed SEED]: LEAT names the program `leat`. Each pair has a seed;
`--seed SEED --pairs 1` plays it again. Ends with 0 only if no byte was wrong, nothing hung, only those ended early
whose peer was killed, and shared memory carried bytes.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "programs"))
from harness import World

HANG = 60     # Seconds that a pair may take; the longest take five on a busy machine.
PROMPT = 15   # Seconds after its peer was killed.


class Pair:
    """Two ends, server and client, by their seed: who has Leat, and whether and when one is killed."""

    def __init__(self, world, options, seed):
        dice = random.Random(seed)
        sides = dice.choice([(True, True)] * 8 + [(True, False), (False, True)])
        self.victim = dice.randrange(2) if dice.random() < 0.25 else None
        self.kill_after = dice.random() ** 2 * 1.5
        self.killed_at = None
        self.seed = seed
        self.world = world
        self.began = time.monotonic()
        self.ends = []
        self.logs = []
        server = self.start(sides[1], [options.worker, "server", seed], stdout=subprocess.PIPE)
        port = read_line(server, 20)
        if port:
            self.start(sides[0], [options.worker, "client", seed, port])

    def start(self, leat, words, **more):
        log = open(self.world.folder / f"err-{self.seed}-{len(self.ends)}", "w+", encoding="utf-8")
        self.logs.append(log)
        process = subprocess.Popen(self.world.words(leat, words), env=self.world.environment(),
                                   stdin=subprocess.DEVNULL, stderr=log, text=True,
                                   start_new_session=True, **more)
        self.ends.append(process)
        return process

    def kill(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.ends[number].pid, signal.SIGKILL)

    def step(self, now):
        """Whether it has ended; kills who is to be killed."""
        if len(self.ends) < 2:
            return True
        if self.victim is not None and self.killed_at is None and now - self.began > self.kill_after:
            # A process that has ended by itself is not killed any more.
            if all(end.poll() is None for end in self.ends):
                self.kill(self.victim)
                self.killed_at = now
            else:
                self.victim = None
        if all(end.poll() is not None for end in self.ends):
            return True
        limit = HANG if self.killed_at is None else self.killed_at - self.began + PROMPT
        return now - self.began > limit

    def complaint(self):
        """What went wrong, or an empty text; nothing of the pair is left afterwards."""
        said = []
        if len(self.ends) < 2:
            said.append("the server did not start")
        for number, end in enumerate(self.ends):
            status = end.poll()
            killed = self.killed_at is not None and number == self.victim
            allowed = {-9, 137, 0} if killed else {0, 4} if self.killed_at is not None else {0}
            if status is None:
                said.append(f"the {('server', 'client')[number]} hangs: {where(end.pid)}")
            elif status not in allowed:
                said.append(f"the {('server', 'client')[number]} ended with {status}")
        for number, end in enumerate(self.ends):
            self.kill(number)
            end.wait()
            if end.stdout:
                end.stdout.close()
        for log in self.logs:
            log.seek(0)
            if said:
                said.append(log.read().strip()[-600:])
            log.close()
            pathlib.Path(log.name).unlink()
        return "; ".join(text for text in said if text)


def where(group):
    """What the processes of a group wait in."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if os.getpgid(int(entry.name)) == group:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                place = (entry / "wchan").read_text(encoding="ascii")
                call = (entry / "syscall").read_text(encoding="ascii").split()[:3]
                found.append(f"[{entry.name} {words}in {place} {call}]")
    return " ".join(found)


def read_line(process, seconds):
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline().strip() if ready else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--worker", required=True)
    parser.add_argument("--static", help="the worker as a static program, which Leat cannot reach")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pairs", type=int, default=0, help="so many pairs instead of minutes")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    options = parser.parse_args()
    options.worker = str(pathlib.Path(options.worker).resolve())
    print(f"seed {options.seed}", flush=True)
    seeds = iter(range(options.seed, options.seed + options.pairs) if options.pairs else
                 range(options.seed, 2**62))
    end = time.monotonic() + options.minutes * 60
    killed = done = 0
    complaints = []
    with World(LEAT_EARN_CALLS=4) as world:
        transitions = world.folder / "transitions"
        transitions.touch()
        world.extra["SOAK_LOG"] = str(transitions)
        if options.static:
            world.extra["SOAK_STATIC"] = str(pathlib.Path(options.static).resolve())
        running = []
        while True:
            while len(running) < options.at_once and (options.pairs or time.monotonic() < end):
                seed = next(seeds, None)
                if seed is None:
                    break
                running.append(Pair(world, options, seed))
            if not running:
                break
            time.sleep(0.01)
            for pair in [pair for pair in running if pair.step(time.monotonic())]:
                running.remove(pair)
                done += 1
                killed += pair.killed_at is not None
                complaint = pair.complaint()
                if complaint:
                    complaints.append(f"seed {pair.seed}: {complaint}")
                    print(complaints[-1], flush=True)
        counters = world.counters()
        counts = collections.Counter(transitions.read_text(encoding="ascii").splitlines())
    print(f"{done} pairs, {killed} of them with an end killed; {len(complaints)} complaints")
    print(f"{counters['shared']} of {counters['connections']} ends by shared memory, "
          f"{counters['ring_bytes']:,} bytes through rings")
    print("; ".join(f"{what}: {count}" for what, count in counts.most_common()))
    if not counters["shared"] or not counters["ring_bytes"]:
        complaints.append("nothing went by shared memory")
        print(complaints[-1])
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
