// Internal: what bpf/chain_watch.bpf.c tells of a connection; C, for both sides.
#pragma once

enum chain_event_kind {
  CHAIN_RECEIVED = 1,  // a packet, after RPS and RFS have decided, on the CPU that processes it
  CHAIN_READ = 2,      // a recv(), or io_uring's, with whatever result
  CHAIN_SENT = 3,      // a packet, after XPS has decided, at the driver's door
};

enum { CHAIN_NO_CPU = 0xffffffff };

enum chain_flags { CHAIN_FIN = 0x01, CHAIN_SYN = 0x02, CHAIN_RST = 0x04 };  // RFC 9293, 3.1

struct chain_event {
  unsigned int kind;
  unsigned int cpu;          // where this was seen
  unsigned int arrival_cpu;  // received: where it entered the stack; CHAIN_NO_CPU if unseen
  unsigned int queue;        // sent: the transmit queue
  unsigned int hash;         // of the packet: what RPS and RFS went by
  unsigned int payload;      // bytes of TCP payload
  unsigned short client_port;
  unsigned short flags;  // of TCP's header
};

// Which connections: those of one port, over one device of one network namespace.
struct chain_filter {
  unsigned int network_namespace;  // inode number
  unsigned int device;             // ifindex
  unsigned int port;               // the server's
};
