"""leat predict: what it forecasts is what cards and the kernel do, and bad input is named."""

import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from harness import DEADLINE, LEAT, main, run_leat
from traces import arp, block, ethernet, hash4, hash6, ipv4, ipv6, pcap, pcapng, tcp, udp

SERVER = "192.0.2.1"
MILLISECOND = 10**6


def client(number):
    return f"10.0.{number // 250}.{number % 250 + 1}"


def flow_packet(number, protocol=17, destination=443):
    transport = udp(1000 + number, destination) if protocol == 17 else tcp(1000 + number, destination)
    return ethernet(ipv4(client(number), SERVER, transport, protocol))


def flow_hash(number, destination=443):
    return hash4(client(number), SERVER, (1000 + number, destination))


class Predict(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, content, name="trace"):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def predict(self, trace, *arguments):
        done = run_leat("predict", self.file(trace), "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def packets(self, report, of="queues"):
        return [load["packets"] for load in report[of]]


class Spread(Predict):
    flows = 200

    def trace(self, rounds=1, spacing=MILLISECOND):
        return [(10**15 + (i * self.flows + n) * spacing, flow_packet(n, 6 if n % 2 else 17))
                for i in range(rounds) for n in range(self.flows)]

    def queues_of(self, queues, place):
        expected = [0] * queues
        for number in range(self.flows):
            expected[place(flow_hash(number))] += 1
        return expected

    def test_the_published_vectors(self):
        self.assertEqual(hash4("66.9.149.187", "161.142.100.80", (2794, 1766)), 0x51ccc178)
        packet = ethernet(ipv4("66.9.149.187", "161.142.100.80", tcp(2794, 1766), 6))
        report = self.predict(pcap([(0, packet)]), "--queues", 128)
        self.assertEqual(report["heaviest"][0]["hash"], 0x51ccc178)
        self.assertEqual(report["heaviest"][0]["queue"], 120)
        self.assertEqual(report["heaviest"][0]["flow"],
                         "tcp 66.9.149.187:2794 > 161.142.100.80:1766")

    def test_all_queues_alike(self):
        report = self.predict(pcap(self.trace()), "--queues", 4)
        expected = self.queues_of(4, lambda h: h % 128 % 4)
        self.assertEqual(self.packets(report), expected)
        self.assertEqual(self.packets(report, "cpus"), expected)
        self.assertEqual([queue["flows"] for queue in report["queues"]], expected)
        self.assertEqual(report["flows"], self.flows)
        self.assertAlmostEqual(report["queue_imbalance"], max(expected) * 4 / self.flows)

    def test_fewer_queues_than_there_are(self):
        report = self.predict(pcap(self.trace()), "--queues", 4, "--equal", 3)
        self.assertEqual(self.packets(report), self.queues_of(4, lambda h: h % 128 % 3))

    def test_weights_are_blocks(self):
        report = self.predict(pcap(self.trace()), "--queues", 2, "--weight", "6,2")
        self.assertEqual(self.packets(report), self.queues_of(2, lambda h: int(h % 128 >= 96)))

    def test_table_size(self):
        report = self.predict(pcap(self.trace()), "--queues", 3, "--table-size", 512)
        self.assertEqual(self.packets(report), self.queues_of(3, lambda h: h % 512 % 3))

    def test_key(self):
        key = bytes(range(40))
        expected = [0, 0]
        for n in range(self.flows):
            expected[hash4(client(n), SERVER, (1000 + n, 443), key) % 2] += 1
        report = self.predict(pcap(self.trace()), "--queues", 2, "--key", key.hex())
        self.assertEqual(self.packets(report), expected)

    def test_the_symmetric_key_joins_both_directions(self):
        there = ethernet(ipv4("10.0.0.1", SERVER, tcp(40000, 443), 6))
        back = ethernet(ipv4(SERVER, "10.0.0.1", tcp(443, 40000), 6))
        report = self.predict(pcap([(0, there), (1, back)]), "--queues", 8, "--key", "symmetric")
        self.assertEqual(sorted(self.packets(report))[-1], 2)
        self.assertEqual(report["flows"], 2)

    def test_fields(self):
        one_client = [(n, ethernet(ipv4("10.0.0.1", SERVER, udp(n + 1, 53)))) for n in range(100)]
        report = self.predict(pcap(one_client), "--queues", 4, "--fields", "sd")
        self.assertEqual(sorted(self.packets(report)), [0, 0, 0, 100])
        report = self.predict(pcap(one_client), "--queues", 4, "--fields", "sdfn")
        self.assertNotIn(0, self.packets(report))

    def test_rps_takes_the_high_bits(self):
        report = self.predict(pcap(self.trace()), "--queues", 1, "--cpus", 4, "--rps", "e")
        expected = [0, 0, 0, 0]
        for n in range(self.flows):
            expected[1 + (flow_hash(n) * 3 >> 32)] += 1
        self.assertEqual(self.packets(report, "cpus"), expected)
        self.assertEqual(report["queues"][0]["packets"], self.flows)

    def test_rps_hashes_itself_what_the_card_hashed_without_ports(self):
        one_client = [(n, ethernet(ipv4("10.0.0.1", SERVER, udp(n + 1, 53)))) for n in range(100)]
        report = self.predict(pcap(one_client), "--queues", 1, "--cpus", 4, "--fields", "sd",
                              "--rps", "f")
        self.assertNotIn(0, self.packets(report, "cpus"))

    def test_rfs_follows_the_readers(self):
        rounds = 5
        trace = pcap(self.trace(rounds))
        report = self.predict(trace, "--queues", 2, "--rfs", 1 << 20, "--readers", "1")
        # The first packet of a flow is handled before anybody has read of it.
        elsewhere = self.queues_of(2, lambda h: h % 2)[0]
        self.assertEqual(self.packets(report, "cpus"), [elsewhere, rounds * self.flows - elsewhere])
        self.assertEqual(report["on_reader"], rounds * self.flows - elsewhere)
        self.assertEqual(report["moves"], elsewhere)
        without = self.predict(trace, "--queues", 2, "--readers", "1")
        self.assertEqual(without["on_reader"], rounds * (self.flows - elsewhere))
        self.assertEqual(without["moves"], 0)

    def test_arfs_moves_flows_to_the_readers_queue(self):
        rounds = 5
        report = self.predict(pcap(self.trace(rounds)), "--queues", 2, "--rfs", 1 << 20, "--arfs",
                              "--readers", "1")
        elsewhere = self.queues_of(2, lambda h: h % 2)[0]
        # The second packet finds the reader, and programs the filter by which the third goes.
        self.assertEqual(report["queues"][0]["packets"], 2 * elsewhere)
        self.assertEqual(report["queues"][1]["flows"], self.flows)
        self.assertEqual(report["filters"]["most"], elsewhere)

    def test_arfs_makes_the_queues_the_readers_in_what_is_tried(self):
        report = self.predict(pcap(self.trace(40)), "--queues", 4, "--rfs", 1 << 20, "--arfs",
                              "--readers", "1")
        for trial in ("as_asked", "same_key", "best"):
            self.assertEqual(report["best"][trial]["queue_imbalance"], 4, trial)
        self.assertEqual(report["best"]["best"], report["best"]["as_asked"])
        self.assertGreater(report["queue_imbalance"], 3.7)

    def test_readers_take_flows_in_turn(self):
        trace = pcap([(n, flow_packet(n)) for n in range(8)])
        report = self.predict(trace, "--queues", 4, "--readers", "1,3")
        readers = sorted((flow["flow"], flow["reader"]) for flow in report["heaviest"])
        self.assertEqual([reader for _, reader in readers], [1, 3] * 4)

    def test_the_best_setting(self):
        one_client = [(n, ethernet(ipv4("10.0.0.1", SERVER, udp(n + 1, 53)))) for n in range(1000)]
        report = self.predict(pcap(one_client), "--queues", 4, "--fields", "sd")
        self.assertEqual(report["flows"], 1000)
        best = report["best"]
        self.assertEqual(best["as_asked"]["cpu_imbalance"], 4)
        self.assertEqual(best["as_asked"]["fields"], "sd")
        self.assertLess(best["best"]["cpu_imbalance"], 1.2)
        self.assertEqual(best["best"]["fields"], "sdfn")
        self.assertEqual(best["same_key"]["key"], "verification")
        self.assertGreaterEqual(best["same_key"]["cpu_imbalance"],
                                best["best"]["cpu_imbalance"] - 0.005)
        again = self.predict(pcap(one_client), "--queues", 4, "--fields", best["best"]["fields"],
                             "--equal", 4)
        self.assertEqual(again["best"]["as_asked"]["queue_imbalance"], again["queue_imbalance"])

    def test_the_best_table_and_the_best_mask(self):
        trace = pcap(self.trace())
        best = self.predict(trace, "--queues", 4, "--weight", "1,1")["best"]["same_key"]
        self.assertEqual(best["table"], "equal 4")
        self.assertLess(best["queue_imbalance"], 1.3)
        self.assertLess(best["cpu_imbalance"], 1.3)
        best = self.predict(trace, "--queues", 1, "--cpus", 4)["best"]["same_key"]
        self.assertEqual((best["table"], best["rps"]), ("equal 1", [0, 1, 2, 3]))
        self.assertLess(best["cpu_imbalance"], 1.3)

    def test_one_flow_is_never_spread(self):
        best = self.predict(pcap([(n, flow_packet(1)) for n in range(100)]), "--queues", 4)["best"]
        self.assertEqual(best["bound"], 4)
        self.assertEqual(best["best"]["cpu_imbalance"], 4)


class Backlog(Predict):
    def burst(self, packets, flows):
        return pcap([(10**15, flow_packet(n % flows)) for n in range(packets)])

    def test_a_burst_overflows(self):
        report = self.predict(self.burst(3000, 100), "--queues", 1, "--cpus", 2, "--rps", "2")
        # One is at work; the backlog holds one more than its limit.
        self.assertEqual(report["cpus"][1]["packets"], 1002)
        self.assertEqual(report["dropped_full"], 1998)
        self.assertEqual(report["cpus"][1]["dropped_full"], 1998)
        self.assertEqual(report["dropped_flow_limit"], 0)

    def test_a_longer_backlog(self):
        report = self.predict(self.burst(3000, 100), "--queues", 1, "--cpus", 2, "--rps", "2",
                              "--backlog", 2998)
        self.assertEqual(report["dropped_full"], 0)

    def test_the_service_time_decides(self):
        spaced = pcap([(10**15 + n * 1000, flow_packet(n % 100)) for n in range(4000)])
        options = ("--queues", 1, "--cpus", 2, "--rps", "2")
        self.assertEqual(self.predict(spaced, *options, "--service-ns", 1000)["dropped_full"], 0)
        # Half of what comes can be handled. Of the rest the backlog has 1,001 at the end, and what
        # the CPU has taken over of it as many at most.
        dropped = self.predict(spaced, *options, "--service-ns", 2000)["dropped_full"]
        self.assertTrue(500 < dropped < 1000, dropped)

    def test_the_flow_limit(self):
        report = self.predict(self.burst(3000, 1), "--queues", 1, "--cpus", 2, "--rps", "2",
                              "--flow-limit")
        # From half the backlog on a flow may have 64 of the last 128.
        self.assertEqual(report["cpus"][1]["packets"], 1 + 500 + 64)
        self.assertEqual(report["dropped_flow_limit"], 3000 - 565)
        self.assertEqual(report["dropped_full"], 0)

    def test_what_is_not_steered_has_no_backlog(self):
        report = self.predict(self.burst(3000, 100), "--queues", 1)
        self.assertEqual(report["cpus"][0]["packets"], 3000)


class Traces(Predict):
    def test_all_formats_tell_the_same(self):
        packets = [(10**18 + n * 1000, flow_packet(n)) for n in range(50)]
        reports = [self.predict(trace, "--queues", 4) for trace in (
            pcap(packets), pcap(packets, ">"), pcap(packets, "<", False), pcapng(packets),
            pcapng(packets, ">"))]
        for report in reports[1:]:
            self.assertEqual(report, reports[0])
        self.assertAlmostEqual(reports[0]["length_s"], 49e-6)

    def test_standard_input(self):
        done = subprocess.run([LEAT, "predict", "-", "--queues", "2", "--json"],
                              input=pcap([(0, flow_packet(1))]), capture_output=True,
                              timeout=DEADLINE, check=True)
        self.assertEqual(json.loads(done.stdout)["packets"], 1)

    def test_vlan_ipv6_and_fragments(self):
        six = ("2001:db8::1", "2001:db8::2")
        packets = [ethernet(ipv4("10.0.0.1", SERVER, udp(7, 8)), vlan=5),
                   ethernet(ipv6(*six, bytes([6, 0]) + bytes(6) + tcp(9, 10), 60)),
                   ethernet(ipv4("10.0.0.1", SERVER, udp(7, 8), fragment=0x2000)),
                   ethernet(ipv4("10.0.0.1", SERVER, b"the rest of it..", fragment=2))]
        report = self.predict(pcap(list(enumerate(packets))), "--queues", 4)
        self.assertEqual(report["flows"], 3)
        self.assertEqual(report["odd"]["illegal"], 0)
        hashes = {flow["hash"]: flow["packets"] for flow in report["heaviest"]}
        self.assertEqual(hashes, {hash4("10.0.0.1", SERVER, (7, 8)): 1, hash6(*six, (9, 10)): 1,
                                  hash4("10.0.0.1", SERVER): 2})

    def test_what_has_no_flow(self):
        sll = bytes([0, 4, 0, 1, 0, 6]) + bytes(8) + b"\x08\x00"
        packet = ipv4("10.0.0.1", SERVER, udp(7, 8))
        sent = pcap([(0, sll + packet), (1, bytes(16)[:14] + b"\x08\x00" + packet)], link=113)
        report = self.predict(sent, "--queues", 2)
        self.assertEqual(report["odd"]["outgoing"], 1)
        self.assertEqual(report["packets"], 1)
        report = self.predict(pcap([(0, flow_packet(1)), (1, arp()), (2, flow_packet(1)[:30])]),
                              "--queues", 2)
        self.assertEqual(report["odd"]["not_ip"], 1)
        self.assertEqual(report["odd"]["illegal"], 1)
        self.assertEqual(report["odd"]["first_illegal"]["packet"], 3)
        self.assertEqual(sum(self.packets(report)), 3)

    def test_a_damaged_trace_counts_up_to_the_damage(self):
        whole = pcap([(n, flow_packet(n)) for n in range(20)])
        at = len(whole)
        path = self.file(whole + bytes(7))
        done = run_leat("predict", path, "--queues", 2, "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"packet 21 at byte offset {at}", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        report = json.loads(done.stdout)
        self.assertEqual(report["packets"], 20)
        self.assertIn("packet 21", report["error"])

    def test_an_empty_trace(self):
        report = self.predict(pcap([]), "--queues", 2)
        self.assertEqual((report["packets"], report["flows"], report["best"]), (0, 0, None))

    def test_times_that_go_back_or_far(self):
        trace = pcapng([(2**64 - 1, flow_packet(1)), (0, flow_packet(2))])
        self.assertEqual(self.predict(trace, "--queues", 1, "--rps", "1")["length_s"], 0)

    def test_a_packet_longer_than_a_piece(self):
        long_one = block(0x0bad, bytes(3 << 20))
        report = self.predict(pcapng([(0, flow_packet(1))]) + long_one +
                              pcapng([(0, flow_packet(2))]), "--queues", 1)
        self.assertEqual(report["packets"], 2)


class Reports(Predict):
    def test_the_text(self):
        trace = self.file(pcap([(n * 1000, flow_packet(n % 7)) for n in range(1000)]))
        done = run_leat("predict", trace, "--queues", 2, "--rps", "3", "--rfs", 1024, "--arfs")
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("1,000 packets", "imbalance", "###", "A model", "heaviest flows", "filters",
                      "settings tried", "udp 10.0.0.1:1000 > 192.0.2.1:443"):
            self.assertIn(words, done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 132)

    def test_the_picture(self):
        trace = self.file(pcap([(n, flow_packet(n)) for n in range(30)]), "a<&>trace")
        picture = os.path.join(self.folder, "spread.svg")
        self.assertEqual(run_leat("predict", trace, "--queues", 3, "--svg", picture).returncode, 0)
        root = xml.etree.ElementTree.parse(picture).getroot()
        self.assertEqual(len(root.findall("{http://www.w3.org/2000/svg}rect")), 1 + 3 + 3)

    def test_the_picture_has_room_for_long_names(self):
        name = b"a trace of \xff and of \xc3\xa4 " + b"with a long name" * 8
        trace = os.path.join(os.fsencode(self.folder), name)
        with open(trace, "wb") as file:
            file.write(pcap([(0, flow_packet(1))]))
        picture = os.path.join(self.folder, "spread.svg")
        key = "6d5a" * 100
        done = subprocess.run([LEAT, "predict", trace, "--queues", "1", "--key", key,
                               "--svg", picture], capture_output=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        svg = "{http://www.w3.org/2000/svg}"
        root = xml.etree.ElementTree.parse(picture).getroot()  # well-formed, and UTF-8
        caption = [text for text in root.findall(svg + "text") if "class" not in text.attrib
                   and float(text.attrib["y"]) < float(root.find(f"{svg}text[@class='title']").attrib["y"])]
        self.assertLessEqual(max(len(text.text) for text in caption), 84, "13 pixels, 720 wide")
        whole = "".join(text.text for text in caption)
        self.assertIn("of ? and of \u00e4 with", whole)
        self.assertIn(key, whole)

    def test_a_picture_that_cannot_be_written(self):
        trace = self.file(pcap([(0, flow_packet(1))]))
        done = run_leat("predict", trace, "--queues", 1, "--svg", "/no/such/folder/x.svg")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/no/such/folder/x.svg", done.stderr)
        self.assertIn("No such file or directory", done.stderr)


class BadInput(Predict):
    def assert_refused(self, arguments, *words):
        done = run_leat("predict", *arguments)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr)

    def test_options(self):
        trace = self.file(pcap([(0, flow_packet(1))]))
        for arguments, words in (
                ((), ("--queues",)),
                (("--queues", 0), ("--queues", "1024")),
                (("--queues", 4, "--rps", "ff"), ("--rps", "CPU 4-7", "0 to 3", "--cpus")),
                (("--queues", 4, "--rps", "xyz"), ("--rps", "column 1")),
                (("--queues", 4, "--rps", "0"), ("--rps", "no CPU")),
                (("--queues", 4, "--readers", "2-9"), ("--readers", "CPU 4-9", "--cpus")),
                (("--queues", 4, "--equal", 5), ("--equal", "5 queues", "--queues says 4")),
                (("--queues", 4, "--equal", 0), ("--equal",)),
                (("--queues", 4, "--equal", 2, "--weight", "1,1"), ("--weight", "--equal")),
                (("--queues", 4, "--weight", "0,0"), ("--weight",)),
                (("--queues", 4, "--weight", "1,2,3,4,5"), ("--weight", "5 queues")),
                (("--queues", 4, "--weight", "6,,2"), ("--weight", "column 3", "6,2")),
                (("--queues", 4, "--weight", "6,-2"), ("--weight", "'-2'")),
                (("--queues", 2, "--weight", "100,100"), ("--weight", "128", "--table-size")),
                (("--queues", 4, "--table-size", 0), ("--table-size", "65536")),
                (("--queues", 4, "--table-size", 2), ("--table-size",)),
                (("--queues", 4, "--key", "6d5a"), ("--key", "40")),
                (("--queues", 4, "--key", "symmetrical"), ("--key", "column")),
                (("--queues", 4, "--fields", "sdx"), ("--fields", "x")),
                (("--queues", 4, "--arfs"), ("--arfs", "--rfs")),
                (("--queues", 4, "--rfs", 10**12), ("--rfs",)),
                (("--queues", 4, "--backlog", 0), ("--backlog",)),
                (("--queues", 4, "--cpus", 1024, "--backlog", 1000000), ("--backlog", "memory")),
                (("--queues", 4, "--service-ns", -1), ("--service-ns",))):
            with self.subTest(arguments):
                self.assert_refused((trace, *arguments), *words)

    def test_traces_that_are_none(self):
        for path, words in (("/no/such/trace", ("/no/such/trace", "No such file or directory")),
                            (self.folder, (self.folder, "Is a directory")),
                            (self.file(b"", "empty"), ("the trace is empty",)),
                            (self.file(b"#!/bin/sh\n", "script"), ("neither pcap nor pcapng",)),
                            (self.file(b"\x1f\x8b\x08\x00", "packed"), ("gzip",))):
            with self.subTest(path):
                done = run_leat("predict", path, "--queues", 2, "--json")
                self.assertEqual(done.returncode, 1)
                for word in words:
                    self.assertIn(word, done.stderr)


if __name__ == "__main__":
    main()
