// Internal: what bpf/steering_watch.bpf.c tells of a packet; C, for both sides.
#pragma once

enum steering_event_kind {
  STEERING_RECEIVED = 1,  // after RPS and RFS have decided, on the CPU that processes it
  STEERING_SENT = 2,      // after XPS has decided, at the driver's door
};

enum { STEERING_NO_CPU = 0xffffffff };

// Received: by which door it entered the stack.
enum steering_entry { STEERING_UNSEEN = 0, STEERING_BY_NETIF_RX = 1, STEERING_BY_NAPI = 2 };

struct steering_event {
  unsigned int kind;
  unsigned int hash;       // skb->hash: 0 if nobody asked for one
  unsigned int cpu;        // where this was seen
  unsigned int entry_cpu;  // received: where it entered the stack; STEERING_NO_CPU if unseen
  unsigned int entry;      // enum steering_entry
  unsigned int queue;      // skb->queue_mapping: sent, the queue; received, the queue + 1, or 0
  unsigned int socket_receive_queue;  // sent: that of its socket; 0xffff if none
  unsigned short source_port;
  unsigned short destination_port;
  unsigned int number;       // the first four bytes of the UDP payload, or TCP's sequence number
  unsigned int may_reorder;  // sent: skb->ooo_okay, by which TCP allows another queue
};

// Which packets: TCP and UDP over IPv4 and IPv6, on one device of one network namespace each way.
struct steering_filter {
  unsigned int receive_namespace;  // inode number
  unsigned int receive_device;     // ifindex
  unsigned int send_namespace;
  unsigned int send_device;
};
