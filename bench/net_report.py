"""What the figures of `run.py net` say, as JSON and as text."""

from harness import noise_of, paired, spread
from net_suites import CONTROL, LEAT, OURS, URING

POLLERS = {LEAT: "Leat on epoll", URING: "Leat on io_uring"}


def judge(turns, suite):
    """Figures of each server, its paired ratios to Leat's two, and whether these are behind."""
    names = list(suite.servers)
    measure = turns.first_measure()
    cost = {name: turns.per_request(name, measure) for name in names}
    rate = {name: turns.rates(name) for name in names}
    row = {"measure": measure, "servers": {}}
    for name in names:
        if spread(cost[name]) is None:
            raise RuntimeError(f"{name} answered nothing")
        row["servers"][name] = {
            "cost": spread(cost[name]), "rate": spread(rate[name]),
            "p50_us": turns.latency(name, 0) / 1e3, "p99_us": turns.latency(name, 1) / 1e3,
            "waits": spread(turns.per_request(name, "waits")), "failed": turns.failed[name],
            "cost_ratio": {ours: paired(cost[ours], cost[name]) for ours in OURS},
            "rate_ratio": {ours: paired(rate[ours], rate[name]) for ours in OURS},
        }
    control = row["servers"][CONTROL]
    row["cost_noise"] = noise_of(control["cost_ratio"][LEAT])
    row["rate_noise"] = noise_of(control["rate_ratio"][LEAT])
    row["behind"] = {ours: behind(row, suite.peers, ours) for ours in OURS}
    row["best_peer"] = min(suite.peers, default=None,
                           key=lambda name: row["servers"][name]["cost"]["median"])
    return row


def behind(row, peers, ours):
    """The peers beside which `ours` is worse in all of the range, and by more than the noise."""
    found = []
    for name in peers:
        peer = row["servers"][name]
        if peer["cost_ratio"][ours]["low"] > 1 + row["cost_noise"]:
            found.append(f"{name} (cost)")
        if peer["rate_ratio"][ours]["high"] < 1 - row["rate_noise"]:
            found.append(f"{name} (rate)")
    return found


def print_row(title, unit, row):
    cycles = row["measure"] == "cycles"
    scale = 1 if cycles else 1000
    print(f"\n{title}: noise of cost {row['cost_noise']:.1%}, of rate {row['rate_noise']:.1%}")
    print(f"  {'':<11}{'':<19}{'Leat on epoll / it':<29}{'Leat on io_uring / it':<29}")
    print(f"  {'server':<11}{'cycles' if cycles else 'CPU us'}/{unit:<12}{'cost':<22}{'rate':<7}"
          f"{'cost':<22}{'rate':<7}{unit + 's/s':>13}{'p50 us':>8}{'p99 us':>8}")
    for name, s in row["servers"].items():
        print(f"  {name:<11}{s['cost']['median'] / scale:>10.2f}{'':<9}"
              + "".join(ratios(name, s, ours) for ours in OURS)
              + f"{s['rate']['median']:>13,.0f}{s['p50_us']:>8,.0f}{s['p99_us']:>8,.0f}"
              + (f"  {s['failed']} FAILED" if s["failed"] else ""))
    for ours, peers in row["behind"].items():
        if peers:
            print(f"  {POLLERS[ours]} is BEHIND {', '.join(peers)} by more than the noise.")


def ratios(name, figures, ours):
    if name == ours:
        return " " * 29
    cost = figures["cost_ratio"][ours]
    text = f"{cost['median']:.3f} [{cost['low']:.3f}..{cost['high']:.3f}]"
    return f"{text:<22}{figures['rate_ratio'][ours]['median']:<7.3f}"


def print_memory(title, figures):
    print(f"\n{title}: bytes a connection")
    print(f"  {'server':<11}{'user memory':>12}{'kernel, both ends':>20}")
    for name, m in figures.items():
        print(f"  {name:<11}{m['user_bytes']:>12,.0f}{m['kernel_bytes_both_ends']:>20,.0f}")


def sum_up(rows):
    """Leat beside the best peer of each row, which is what has to hold."""
    rows = {title: row for title, row in rows.items() if row["best_peer"]}
    print("\nBeside the best peer of each row (the one of least cost):")
    width = 2 + max(map(len, rows), default=0)
    print(f"  {'':<{width}}{'':<11}{'Leat on epoll':<16}{'Leat on io_uring':<16}")
    print(f"  {'row':<{width}}{'best peer':<11}" + 2 * f"{'cost':<8}{'rate':<8}")
    for title, row in rows.items():
        best = row["servers"][row["best_peer"]]
        figures = "".join(f"{best[ratio][ours]['median']:<8.3f}"
                          for ours in OURS for ratio in ("cost_ratio", "rate_ratio"))
        print(f"  {title:<{width}}{row['best_peer']:<11}{figures}")
    for ours in OURS:
        lost = sum(bool(row["behind"][ours]) for row in rows.values())
        print(f"{POLLERS[ours]} is behind a peer by more than the noise in {lost} of {len(rows)} "
              "rows.")
