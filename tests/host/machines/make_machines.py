#!/usr/bin/env python3
"""Makes the constructed machines of this folder: make_machines.py FOLDER.

Each is what read_inventory() asks of a machine (docs/decisions/host.md, "A recording"), with values as
the sources named in its label have them. None of them has run on such a device.
"""

import json
import pathlib
import sys

SYSCTLS = {
    "net/core/rps_sock_flow_entries": "0", "net/core/netdev_max_backlog": "1000",
    "net/core/netdev_budget": "300", "net/core/netdev_budget_usecs": "2000",
    "net/core/dev_weight": "64", "net/core/gro_normal_batch": "8",
    "net/core/flow_limit_table_len": "4096", "net/core/busy_poll": "0", "net/core/busy_read": "0",
    "net/core/rmem_default": "212992", "net/core/rmem_max": "212992", "net/core/somaxconn": "4096",
    "net/ipv4/tcp_max_syn_backlog": "4096", "net/ipv4/tcp_migrate_req": "0",
    "net/ipv4/tcp_rmem": "4096\t131072\t6291456", "net/ipv4/tcp_syncookies": "1",
    "net/ipv4/udp_rmem_min": "4096",
}
# In the initial network namespace only.
GLOBAL_SYSCTLS = ["rps_sock_flow_entries", "netdev_max_backlog", "netdev_budget", "netdev_budget_usecs",
                  "dev_weight", "gro_normal_batch", "flow_limit_table_len", "busy_poll", "busy_read"]
FEATURES = ["rx-gro", "tx-generic-segmentation", "tx-tcp-segmentation", "rx-checksum"]
UP = 0x1043  # IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST


def mask(cpus, count):
    """A CPU mask as sysfs prints it."""
    number = sum(1 << cpu for cpu in cpus)
    groups = [f"{number >> (32 * i) & 0xffffffff:08x}" for i in range((count + 31) // 32)]
    groups[-1] = groups[-1][-((count - 32 * (len(groups) - 1) + 3) // 4):]
    return ",".join(reversed(groups))


class Machine:
    def __init__(self, label, kernel, nodes, threads=1):
        """nodes: lists of CPUs; threads: CPUs of a core, siblings half the CPUs apart."""
        self.cpus = sorted(cpu for node in nodes for cpu in node)
        self.behaviour, self.files, self.lists, self.links = {}, {}, {}, {}
        self.netlink = {"route": {"links": [], "addresses": []}, "ethtool": {}, "netdev": {}, "sockets": {}}
        self.ioctl, self.options, self.label, self.irqs = {}, {}, label, []
        self.file("/proc/sys/kernel/osrelease", kernel)
        base = "/sys/devices/system"
        self.file(f"{base}/cpu/online", f"0-{len(self.cpus) - 1}")
        self.file(f"{base}/node/online", f"0-{len(nodes) - 1}" if len(nodes) > 1 else "0")
        cores = len(self.cpus) // threads
        for node, members in enumerate(nodes):
            self.file(f"{base}/node/node{node}/cpulist", ",".join(map(str, members)))
            for cpu in members:
                topology = f"{base}/cpu/cpu{cpu}/topology"
                siblings = [cpu % cores + cores * i for i in range(threads)]
                self.file(f"{topology}/physical_package_id", str(node))
                self.file(f"{topology}/core_id", str(cpu % cores))
                self.file(f"{topology}/thread_siblings_list", ",".join(map(str, siblings)))
        for name, value in SYSCTLS.items():
            self.file(f"/proc/sys/{name}", value)
        for name in ["flow_limit_cpu_bitmap", "rps_default_mask"]:
            self.file(f"/proc/sys/net/core/{name}", mask([], len(self.cpus)))
        row = "0000{:04x} 00000000 0000{:04x} " + "00000000 " * 9 + "{:08x} 00000000 00000000"
        self.text("/proc/net/softnet_stat",
                  [row.format(4000 + cpu, 0, cpu) for cpu in self.cpus])
        heads = "".join(f"{'CPU' + str(cpu):>11}" for cpu in self.cpus)
        self.text("/proc/softirqs", [heads] + [f"{name}:" + "".join(f"{4000 + cpu:>11}" for cpu in self.cpus)
                                               for name in ["NET_TX", "NET_RX"]])
        self.text("/proc/net/snmp", ["Tcp: InSegs OutSegs", "Tcp: 4000 4000", "Udp: InErrors", "Udp: 0"])
        self.text("/proc/net/netstat", ["TcpExt: ListenOverflows ListenDrops", "TcpExt: 0 0"])
        self.lists["/proc"] = ["1"]
        self.lists["/proc/1/fd"] = []
        self.file("/proc/1/comm", "systemd")
        self.loopback()

    def file(self, path, text):
        self.files[path] = text + "\n"

    def text(self, path, lines):
        self.files[path] = lines

    def loopback(self):
        self.link(1, "lo", flags=0x49, mtu=65536, rx=1, tx=1, address="127.0.0.1", prefix=8)
        self.ethtool("lo", {})
        self.queues("lo", rx=1, tx=1, xps=False)

    def link(self, index, name, rx, tx, flags=UP, mtu=1500, address=None, prefix=24, kind=None, parent=None):
        entry = {"index": index, "type": 772 if name == "lo" else 1, "flags": flags, "ifname": name, "mtu": mtu,
                 "num-rx-queues": rx, "num-tx-queues": tx, "stats64": "00" * 200}
        if kind:
            entry["linkinfo"] = {"kind": kind}
        if parent:
            entry["parent-dev-name"] = parent
        self.netlink["route"]["links"].append(entry)
        if address:
            octets = "".join(f"{int(part):02x}" for part in address.split("."))
            self.netlink["route"]["addresses"].append(
                {"index": index, "family": 2, "prefix": prefix, "local": octets})
        directory = f"/sys/class/net/{name}"
        self.file(f"{directory}/ifindex", str(index))
        for setting in ["gro_flush_timeout", "napi_defer_hard_irqs", "threaded"]:
            self.file(f"{directory}/{setting}", "0")

    def queues(self, name, rx, tx, xps=True):
        directory = f"/sys/class/net/{name}/queues"
        for i in range(rx):
            self.file(f"{directory}/rx-{i}/rps_cpus", mask([], len(self.cpus)))
            self.file(f"{directory}/rx-{i}/rps_flow_cnt", "0")
        for i in range(tx):
            absent = {"error": 2, "message": "the device has one transmit queue"}
            self.files[f"{directory}/tx-{i}/xps_cpus"] = \
                mask([], len(self.cpus)) + "\n" if xps and tx > 1 else absent
            self.files[f"{directory}/tx-{i}/xps_rxqs"] = "0\n" if xps and tx > 1 else absent

    def ethtool(self, name, objects, driver=None):
        """What is not given, the driver does not have."""
        self.netlink["ethtool"][name] = {
            key: objects.get(key, {"error": 95, "message": f"{key} of {name}"})
            for key in ["rings", "channels", "coalesce", "features", "rss"]}
        self.ioctl[name] = {"driver": driver or {"error": 95}, "statistics": {"error": 95},
                            "ntuple": objects.get("ntuple", {"error": 95})}

    def features(self, changeable=(), active=()):
        return {"hw": FEATURES + list(changeable), "wanted": FEATURES + list(active),
                "active": FEATURES + list(active) + ["highdma"], "nochange": ["highdma"]}

    def irq(self, number, chip, action, asked, effective, count):
        counts = [count if cpu == effective else 0 for cpu in self.cpus]
        self.irqs.append(f"{number:>4}:" + "".join(f"{n:>11}" for n in counts) + f" {chip}  {action}")
        self.file(f"/proc/irq/{number}/smp_affinity_list", asked)
        self.file(f"/proc/irq/{number}/effective_affinity_list", str(effective))

    def napis(self, index, first, irqs, pairs):
        """A NAPI for each interrupt; pairs: receive and transmit queue share it."""
        self.netlink["netdev"][str(index)] = {
            "napis": [{"ifindex": index, "id": first + i, "irq": irq, "defer-hard-irqs": 0,
                       "gro-flush-timeout": 0, "irq-suspend-timeout": 0} for i, irq in enumerate(irqs)],
            "queues": [{"id": i, "ifindex": index, "type": kind, "napi-id": first + i}
                       for kind in ([0, 1] if pairs else [0]) for i in range(len(irqs))],
            "qstats": []}

    def server(self, pid, name, port, listeners, cpus, drops=0):
        """A process with listeners in a group, and a thread for each."""
        sockets = self.netlink["sockets"].setdefault("tcp4", [])
        self.lists["/proc"].append(str(pid))
        self.lists[f"/proc/{pid}/fd"] = [str(5 + i) for i in range(listeners)]
        self.lists[f"/proc/{pid}/task"] = [str(pid + i) for i in range(listeners)]
        self.file(f"/proc/{pid}/comm", name)
        for i in range(listeners):
            inode = pid * 100 + i
            sockets.append({"family": 2, "state": 10, "source": "00000000", "source-port": port,
                            "destination": "00000000", "destination-port": 0, "device": 0,
                            "cookie": inode, "inode": inode, "uid": 33, "receive-queue": 0,
                            "send-queue": 511, "skmeminfo": [0, 131072, 0, 16384, 0, 0, 0, 0, drops]})
            self.links[f"/proc/{pid}/fd/{5 + i}"] = f"socket:[{inode}]"
            self.files[f"/proc/{pid}/task/{pid + i}/status"] = \
                f"Name:\t{name}\nCpus_allowed_list:\t{cpus}\n"
            self.options[f"{pid}/{5 + i}"] = {"incoming_cpu": -1, "napi_id": 0, "reuse_port": True}

    def process(self, pid, name):
        self.lists["/proc"].append(str(pid))
        self.lists[f"/proc/{pid}/fd"] = []
        self.file(f"/proc/{pid}/comm", name)

    def write(self, path):
        heads = "     " + "".join(f"{'CPU' + str(cpu):>11}" for cpu in self.cpus)
        self.files["/proc/interrupts"] = [heads] + self.irqs
        sections = {"format": "leat-machine 1", "label": self.label, "behaviour": self.behaviour,
                    "netlink": self.netlink, "ioctl": self.ioctl, "socket_options": self.options,
                    "lists": self.lists, "links": self.links, "files": self.files}
        lines = []
        for name, value in sections.items():
            if isinstance(value, dict) and value:
                inside = ",\n".join(f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items())
                lines.append(f" {json.dumps(name)}: {{\n{inside}\n }}")
            else:
                lines.append(f" {json.dumps(name)}: {json.dumps(value)}")
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def virtio_two_queues():
    machine = Machine(
        "constructed: a VM with 4 vCPUs and a virtio card of two queue pairs; after drivers/net/virtio_net.c "
        "(names of interrupts, no indirection table without VIRTIO_NET_F_RSS) and QEMU's mq=on,vectors=6",
        "6.12.0", [[0, 1, 2, 3]])
    machine.link(2, "eth0", rx=2, tx=2, address="10.0.0.2", parent="virtio0")
    machine.queues("eth0", rx=2, tx=2)
    machine.links["/sys/class/net/eth0/device"] = "../../../virtio0"
    bits = [0, 1, 5, 7, 8, 11, 12, 15, 16, 17, 18, 22, 23, 28, 29, 32]
    machine.file("/sys/class/net/eth0/device/features", "".join("01"[bit in bits] for bit in range(64)))
    machine.ethtool("eth0", {
        "rings": {"rx-max": 256, "tx-max": 256, "rx": 256, "tx": 256},
        "channels": {"combined-max": 2, "combined-count": 2},
        "coalesce": {"rx-max-frames": 1, "tx-max-frames": 1},
        "features": machine.features(),
    }, {"driver": "virtio_net", "version": "1.0.0", "bus": "0000:00:03.0"})
    for i, (action, cpu) in enumerate([("input.0", 1), ("output.0", 2), ("input.1", 1), ("output.1", 0)]):
        machine.irq(25 + i, f"PCI-MSIX-0000:00:03.0   {i + 1}-edge     ", f"virtio0-{action}", "0-3", cpu, 5000)
    machine.netlink["netdev"]["2"] = {
        "napis": [{"ifindex": 2, "id": 8193 + i} for i in range(4)],
        "queues": [{"id": i, "ifindex": 2, "type": 0, "napi-id": 8193 + i} for i in range(2)] +
                  [{"id": i, "ifindex": 2, "type": 1, "napi-id": 8195 + i} for i in range(2)],
        "qstats": []}
    machine.server(300, "nginx", 80, 4, "0-3")
    return machine


def mlx5():
    nodes = [list(range(32)), list(range(32, 64))]
    machine = Machine(
        "constructed: a server with two nodes of 32 cores and a ConnectX card on node 1; after drivers/net/ethernet/"
        "mellanox/mlx5 (names of interrupts, 63 channels, tables of powers of two, rings to 8192)", "6.12.0", nodes)
    machine.behaviour = {"ring_power_of_two": True, "rss_set": "ioctl"}
    machine.link(2, "ens1f0np0", rx=63, tx=63, mtu=9000, address="10.1.0.2", parent="0000:81:00.0")
    machine.queues("ens1f0np0", rx=63, tx=63)
    machine.links["/sys/class/net/ens1f0np0/device"] = "../../../0000:81:00.0"
    machine.file("/sys/class/net/ens1f0np0/device/numa_node", "1")
    machine.ethtool("ens1f0np0", {
        "rings": {"rx-max": 8192, "tx-max": 8192, "rx": 1024, "tx": 1024},
        "channels": {"combined-max": 63, "combined-count": 63},
        "coalesce": {"rx-usecs": 8, "rx-max-frames": 128, "tx-usecs": 8, "tx-max-frames": 128,
                     "use-adaptive-rx": 1, "use-adaptive-tx": 1},
        "features": machine.features(["rx-ntuple-filter", "rx-lro", "rx-hashing"], ["rx-hashing"]),
        "rss": {"hfunc": 1, "indir": [i % 63 for i in range(128)], "hkey": "6d5a56da255b0ec2" * 5, "input-xfrm": 0},
        "ntuple": {"capacity": 1024, "rules": {}},
    }, {"driver": "mlx5_core", "version": "6.12.0", "firmware": "22.39.2048", "bus": "0000:81:00.0"})
    # The driver fills its own node first, then the other one.
    order = nodes[1] + nodes[0]
    machine.irq(120, "PCI-MSIX-0000:81:00.0   0-edge     ", "mlx5_async0@pci:0000:81:00.0", "0-63", 0, 30)
    for i in range(63):
        machine.irq(121 + i, f"PCI-MSIX-0000:81:00.0 {i + 1:>3}-edge     ", f"mlx5_comp{i}@pci:0000:81:00.0",
                    str(order[i]), order[i], 9000)
    machine.napis(2, 8200, list(range(121, 184)), pairs=True)
    machine.server(900, "haproxy", 443, 16, "32-47")
    return machine


def ice():
    nodes = [list(range(16)) + list(range(32, 48)), list(range(16, 32)) + list(range(48, 64))]
    machine = Machine(
        "constructed: a server with two nodes of 16 cores, two threads each, an E810 card on node 0 and irqbalance; "
        "after drivers/net/ethernet/intel/ice (names of interrupts, rings in multiples of 32 up to 8160, key of 52 bytes)",
        "6.12.0", nodes, threads=2)
    machine.behaviour = {"ring_multiple": 32, "rss_set": "ioctl"}
    machine.file("/proc/sys/net/core/rps_sock_flow_entries", "32768")
    machine.link(2, "ens785f0", rx=64, tx=64, address="10.2.0.2", parent="0000:17:00.0")
    machine.queues("ens785f0", rx=64, tx=64)
    machine.links["/sys/class/net/ens785f0/device"] = "../../../0000:17:00.0"
    machine.file("/sys/class/net/ens785f0/device/numa_node", "0")
    machine.ethtool("ens785f0", {
        "rings": {"rx-max": 8160, "tx-max": 8160, "rx": 2048, "tx": 256},
        "channels": {"combined-max": 64, "rx-max": 64, "tx-max": 64, "other-max": 1,
                     "combined-count": 64, "rx-count": 0, "tx-count": 0, "other-count": 1},
        "coalesce": {"rx-usecs": 50, "tx-usecs": 50, "use-adaptive-rx": 1, "use-adaptive-tx": 1,
                     "rx-usecs-high": 0},
        "features": machine.features(["rx-ntuple-filter", "rx-hashing"], ["rx-ntuple-filter", "rx-hashing"]),
        "rss": {"hfunc": 1, "indir": [i % 64 for i in range(512)], "hkey": "a5" * 52, "input-xfrm": 0},
        "ntuple": {"capacity": 512, "rules": {}},
    }, {"driver": "ice", "version": "6.12.0", "firmware": "4.40 0x8001c967", "bus": "0000:17:00.0"})
    for i in range(64):
        machine.irq(200 + i, f"PCI-MSIX-0000:17:00.0 {i + 1:>3}-edge     ", f"ice-ens785f0-TxRx-{i}",
                    "0-63", (i * 7) % 64, 7000)
    machine.napis(2, 8300, list(range(200, 264)), pairs=True)
    machine.process(700, "irqbalance")
    machine.server(950, "memcached", 11211, 8, "0-15")
    return machine


def small_board():
    machine = Machine(
        "constructed: a board with 4 Arm cores and a single-queue card; after drivers/net/ethernet/broadcom/genet "
        "(one receive and five transmit queues, two interrupts with the device's name)", "6.6.31", [[0, 1, 2, 3]])
    machine.link(2, "eth0", rx=1, tx=5, address="192.168.1.7", parent="fd580000.ethernet")
    machine.queues("eth0", rx=1, tx=5)
    machine.links["/sys/class/net/eth0/device"] = "../../../fd580000.ethernet"
    machine.ethtool("eth0", {
        "rings": {"rx-max": 256, "tx-max": 256, "rx": 256, "tx": 256},
        "coalesce": {"rx-usecs": 57, "rx-max-frames": 1, "tx-max-frames": 10, "use-adaptive-rx": 0},
        "features": machine.features(),
    }, {"driver": "bcmgenet", "version": "6.6.31", "bus": "fd580000.ethernet"})
    for i in range(2):
        machine.irq(39 + i, f"    GICv2 {189 + i} Level    ", "eth0", "0-3", 0, 80000)
    machine.server(410, "mosquitto", 1883, 1, "0-3")
    return machine


def container():
    machine = Machine(
        "constructed: inside of a container, with a veth whose peer is in another namespace and /sys read-only; after "
        "drivers/net/veth.c and net/core/sysctl_net_core.c (which settings another namespace does not have)",
        "6.12.0", [[0, 1, 2, 3, 4, 5, 6, 7]])
    machine.behaviour = {"read_only": ["/sys/", "/proc/sys/", "/proc/irq/"]}
    for name in GLOBAL_SYSCTLS + ["flow_limit_cpu_bitmap"]:
        del machine.files[f"/proc/sys/net/core/{name}"]
    machine.link(2, "eth0", rx=1, tx=1, address="172.17.0.2", prefix=16, kind="veth")
    machine.queues("eth0", rx=1, tx=1)
    machine.ethtool("eth0", {
        "channels": {"rx-max": 1, "tx-max": 1, "combined-max": 0, "rx-count": 1, "tx-count": 1, "combined-count": 0},
        "features": machine.features(),
    }, {"driver": "veth", "version": "1.0"})
    machine.irq(24, "PCI-MSIX-0000:00:03.0   0-edge     ", "virtio0-input.0", "0-7", 0, 100)
    machine.server(7, "node", 3000, 1, "0-7")
    return machine


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_machines.py FOLDER")
    for make in [virtio_two_queues, mlx5, ice, small_board, container]:
        make().write(pathlib.Path(sys.argv[1]) / f"{make.__name__}.json")


if __name__ == "__main__":
    main()
