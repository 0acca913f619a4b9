// Internal: what the eBPF programs that watch packets have in common; one of them includes it once.
#pragma once

// In the C of the programs, and <linux/bpf.h> comes first: the others need its types.
// clang-format off

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

// The parts of the kernel's structures that are read; the loader finds them in its BTF.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
  unsigned int inum;
};
struct net {
  struct ns_common ns;
};
typedef struct {
  struct net *net;
} possible_net_t;
struct net_device {
  int ifindex;
  possible_net_t nd_net;
};
struct sock_common {
  __be16 skc_dport;
  __u16 skc_num;  // its own port, host order
  possible_net_t skc_net;
  unsigned short skc_rx_queue_mapping;
};
struct sock {
  struct sock_common __sk_common;
};
struct sk_buff {
  struct net_device *dev;
  struct sock *sk;
  unsigned int hash;
  __u16 queue_mapping;
  __be16 protocol;
  unsigned char *data;
  __u8 ooo_okay : 1;
};
#pragma clang attribute pop

#define PROTOCOL_IPV4 bpf_htons(0x0800)
#define PROTOCOL_IPV6 bpf_htons(0x86dd)
#define ETHERNET_HEADER 14

static inline int is_on(struct net_device *dev, __u32 namespace, __u32 ifindex) {
  return dev->ifindex == ifindex && dev->nd_net.net->ns.inum == namespace;
}

// By which door a packet entered the stack, before RPS and RFS.
struct entrance {
  __u32 cpu;
  __u32 door;
};

// By the packet's address. Packets that never reach netif_receive_skb() must not fill it.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, struct entrance);
} entered SEC(".maps");

static inline int note_entrance(struct sk_buff *skb, __u32 door) {
  __u64 key = (__u64)skb;
  struct entrance entrance = {.cpu = bpf_get_smp_processor_id(), .door = door};
  bpf_map_update_elem(&entered, &key, &entrance, BPF_ANY);
  return 0;
}

// Gives `otherwise` if it was not seen.
static inline struct entrance take_entrance(struct sk_buff *skb, struct entrance otherwise) {
  __u64 key = (__u64)skb;
  const struct entrance *seen = bpf_map_lookup_elem(&entered, &key);
  if (!seen) return otherwise;
  struct entrance entrance = *seen;
  bpf_map_delete_elem(&entered, &key);
  return entrance;
}
