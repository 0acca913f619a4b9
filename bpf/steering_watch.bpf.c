// Watches where the kernel steers packets, for tests that compare leat/steering with it.
//
// Why eBPF: the CPU that processes a packet, and the hash that RPS, RFS and XPS went by, are known
// nowhere else. Why these places: tracepoints with BTF (tp_btf) read the kernel's structures without
// debug builds, and need neither kprobes nor fentry, which locked-down kernels refuse.
//
//     netif_rx_entry, napi_gro_receive_entry    the CPU it came on, kept by the skb's address
//     (RPS and RFS decide)
//     netif_receive_skb                         the CPU that has it now
//     (XPS decides)
//     net_dev_start_xmit                        the transmit queue it goes to
#include "steering_event.h"
#include "watched_packet.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct steering_filter);
} filter SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 22);
} events SEC(".maps");

enum { TCP = 6, UDP = 17 };

struct ipv4_header {
  __u8 version_and_length;
  __u8 service_to_life[8];
  __u8 protocol;
  __u8 rest[10];
};
struct ipv6_header {
  __u8 version_to_length[6];
  __u8 protocol;
  __u8 rest[33];
};
// TCP's sequence number lies behind the ports; UDP has length and checksum there.
struct transport_header {
  __be16 source_port;
  __be16 destination_port;
  __be32 sequence;
  __be32 payload;
};

// Where the transport's header is, and which; 0 for what is neither TCP nor UDP, or has options.
static __u32 find_transport(struct sk_buff *skb, const void *ip, const void **transport) {
  if (skb->protocol == PROTOCOL_IPV4) {
    struct ipv4_header header;
    if (bpf_probe_read_kernel(&header, sizeof(header), ip)) return 0;
    *transport = ip + sizeof(header);
    return header.version_and_length == 0x45 ? header.protocol : 0;
  }
  if (skb->protocol != PROTOCOL_IPV6) return 0;
  struct ipv6_header header;
  if (bpf_probe_read_kernel(&header, sizeof(header), ip)) return 0;
  *transport = ip + sizeof(header);
  return header.protocol;
}

static void report(struct sk_buff *skb, const struct steering_event *seen, const void *ip) {
  const void *transport = 0;
  struct transport_header header;
  __u32 protocol = find_transport(skb, ip, &transport);
  if (protocol != TCP && protocol != UDP) return;
  if (bpf_probe_read_kernel(&header, sizeof(header), transport)) return;
  struct steering_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) return;
  *event = *seen;
  event->hash = skb->hash;
  event->cpu = bpf_get_smp_processor_id();
  event->queue = skb->queue_mapping;
  event->source_port = bpf_ntohs(header.source_port);
  event->destination_port = bpf_ntohs(header.destination_port);
  event->number = bpf_ntohl(protocol == TCP ? header.sequence : header.payload);
  bpf_ringbuf_submit(event, 0);
}

SEC("tp_btf/netif_rx_entry")
int BPF_PROG(on_netif_rx, struct sk_buff *skb) {
  return note_entrance(skb, STEERING_BY_NETIF_RX);
}

SEC("tp_btf/napi_gro_receive_entry")
int BPF_PROG(on_napi_gro_receive, struct sk_buff *skb) {
  return note_entrance(skb, STEERING_BY_NAPI);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(on_receive, struct sk_buff *skb) {
  __u32 zero = 0;
  const struct steering_filter *wanted = bpf_map_lookup_elem(&filter, &zero);
  if (!wanted) return 0;
  if (!is_on(skb->dev, wanted->receive_namespace, wanted->receive_device)) return 0;
  struct entrance unseen = {.cpu = STEERING_NO_CPU, .door = STEERING_UNSEEN};
  struct entrance entrance = take_entrance(skb, unseen);
  struct steering_event event = {
      .kind = STEERING_RECEIVED, .entry_cpu = entrance.cpu, .entry = entrance.door};
  report(skb, &event, skb->data);
  return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(on_transmit, struct sk_buff *skb, struct net_device *dev) {
  __u32 zero = 0;
  const struct steering_filter *wanted = bpf_map_lookup_elem(&filter, &zero);
  if (!wanted) return 0;
  if (!is_on(dev, wanted->send_namespace, wanted->send_device)) return 0;
  struct steering_event event = {.kind = STEERING_SENT, .socket_receive_queue = 0xffff};
  struct sock *sk = skb->sk;
  if (sk) event.socket_receive_queue = sk->__sk_common.skc_rx_queue_mapping;
  event.may_reorder = BPF_CORE_READ_BITFIELD_PROBED(skb, ooo_okay);
  report(skb, &event, skb->data + ETHERNET_HEADER);
  return 0;
}

// What the kernel must be told for tracing; under these terms too this file may be used.
char LICENSE[] SEC("license") = "Dual MIT/GPL";
