// Watches on which CPU each step of a TCP server's connections is done.
//
// Why eBPF: that a packet is processed here and read there, no counter tells. Why these places:
// as in steering_watch.bpf.c; recv() has a tracepoint of its own, which io_uring passes too.
//
//     netif_rx_entry, napi_gro_receive_entry    the CPU it came on
//     (RPS and RFS decide)
//     netif_receive_skb                         the CPU on which IP and TCP process it
//     sock_recv_length                          the CPU that read (Linux 6.4)
//     (XPS decides)
//     net_dev_start_xmit                        the CPU that sends, and the queue
#include "chain_event.h"
#include "watched_packet.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct chain_filter);
} filter SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 23);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} lost SEC(".maps");  // events for which the ring had no room

struct headers {
  struct {
    __u8 version_and_length;
    __u8 service;
    __be16 total_length;
    __u8 fragment[5];
    __u8 protocol;
    __u8 rest[10];
  } ip;
  struct {
    __be16 source_port;
    __be16 destination_port;
    __u8 numbers[8];
    __u8 length;  // in words, in the upper half
    __u8 flags;
    __u8 window[2];
  } tcp;
};

static const struct chain_filter *wanted(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&filter, &zero);
}

static void report(const struct chain_event *event) {
  if (bpf_ringbuf_output(&events, (void *)event, sizeof(*event), 0) == 0) return;
  __u32 zero = 0;
  __u64 *count = bpf_map_lookup_elem(&lost, &zero);
  if (count) __sync_fetch_and_add(count, 1);
}

// Fills in what the packet says; 0 if it is not IPv4 with TCP, or has IP options.
static int read_headers(struct sk_buff *skb, const void *ip, struct headers *headers,
                        struct chain_event *event) {
  if (bpf_probe_read_kernel(headers, sizeof(*headers), ip)) return 0;
  if (headers->ip.version_and_length != 0x45 || headers->ip.protocol != 6) return 0;
  event->cpu = bpf_get_smp_processor_id();
  event->hash = skb->hash;
  event->queue = skb->queue_mapping;
  event->flags = headers->tcp.flags;
  event->payload = bpf_ntohs(headers->ip.total_length) - 20 - (headers->tcp.length >> 4) * 4;
  return 1;
}

SEC("tp_btf/netif_rx_entry")
int BPF_PROG(on_netif_rx, struct sk_buff *skb) { return note_entrance(skb, 0); }

SEC("tp_btf/napi_gro_receive_entry")
int BPF_PROG(on_napi_gro_receive, struct sk_buff *skb) { return note_entrance(skb, 0); }

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(on_receive, struct sk_buff *skb) {
  const struct chain_filter *those = wanted();
  if (!those || skb->protocol != PROTOCOL_IPV4) return 0;
  if (!is_on(skb->dev, those->network_namespace, those->device)) return 0;
  struct entrance unseen = {.cpu = CHAIN_NO_CPU};
  struct chain_event event = {.kind = CHAIN_RECEIVED};
  event.arrival_cpu = take_entrance(skb, unseen).cpu;
  struct headers headers;
  if (!read_headers(skb, skb->data, &headers, &event)) return 0;
  if (bpf_ntohs(headers.tcp.destination_port) != those->port) return 0;
  event.client_port = bpf_ntohs(headers.tcp.source_port);
  report(&event);
  return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(on_transmit, struct sk_buff *skb, struct net_device *dev) {
  const struct chain_filter *those = wanted();
  if (!those || skb->protocol != PROTOCOL_IPV4) return 0;
  if (!is_on(dev, those->network_namespace, those->device)) return 0;
  struct chain_event event = {.kind = CHAIN_SENT, .arrival_cpu = CHAIN_NO_CPU};
  struct headers headers;
  if (!read_headers(skb, skb->data + ETHERNET_HEADER, &headers, &event)) return 0;
  if (bpf_ntohs(headers.tcp.source_port) != those->port) return 0;
  event.client_port = bpf_ntohs(headers.tcp.destination_port);
  report(&event);
  return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_read, struct sock *sk) {
  const struct chain_filter *those = wanted();
  if (!those || sk->__sk_common.skc_num != those->port) return 0;
  if (sk->__sk_common.skc_net.net->ns.inum != those->network_namespace) return 0;
  struct chain_event event = {.kind = CHAIN_READ, .arrival_cpu = CHAIN_NO_CPU};
  event.cpu = bpf_get_smp_processor_id();
  event.client_port = bpf_ntohs(sk->__sk_common.skc_dport);
  report(&event);
  return 0;
}

// What the kernel must be told for tracing; under these terms too this file may be used.
char LICENSE[] SEC("license") = "Dual MIT/GPL";
