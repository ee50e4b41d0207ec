/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The link between bgf-control (client) and bgf-dataplane (server): fixed records over a unix seqpacket
 * socket on one host, host byte order, one or more whole records a packet. The server serves one client at a
 * time (a second is answered HELLO with -EBUSY and closed) and checks SO_PEERCRED: only root and its own user
 * may connect.
 *
 * Requests may be pipelined. Each is answered by exactly one record of the same type with DPL_ANSWER set and
 * the same txn, not necessarily in order; a request that fails changes nothing. A request that changes a set
 * is answered only when every worker has passed a quiescent point after the change. Events carry txn 0.
 *
 * The first request is HELLO. An answer has its type's full length, also when it is a refusal (then it is
 * zero but for what is said here); only -EPROTO, to a record that is none, is a bare header, and closes.
 *
 * Keys cross this link in SET_ADD only; no answer carries one.
 */
#ifndef BGF_DPLINK_H
#define BGF_DPLINK_H

#include <assert.h>
#include <stdint.h>

#include "bgf_drop.h"
#include "bgf_sa.h"

enum {
	DPL_VERSION = 5,
	DPL_ANSWER = 0x8000,
	DPL_PACKET_MAX = 16384, /* octets of several records in one packet; one alone may be longer */
	DPL_BATCH = 64 /* rows in one SET_LIST answer at most */,
	DPL_POLL_GAPS = 7
};

enum dpl_type {
	DPL_HELLO = 1,	    /* dpl_hello            → dpl_hello_answer */
	DPL_SET_ADD = 2,    /* dpl_set_add          → dpl_set_row */
	DPL_SET_UPDATE = 3, /* dpl_set_update       → dpl_set_row */
	DPL_SET_REMOVE = 4, /* dpl_set_id           → dpl_set_row: the last counters */
	DPL_SET_GET = 5,    /* dpl_set_id           → dpl_set_row */
	DPL_SET_LIST = 6,   /* dpl_cursor           → dpl_set_rows: all LIVE sets, slot by slot */
	DPL_COUNTERS = 7,   /* dpl_cursor: nth port/worker pair → dpl_counters */
	DPL_PORTS = 8,	    /* dpl_cursor: nth port → dpl_port */
	DPL_FIRST_USED = 9, /* event: dpl_set_id; rule 20 */
	DPL_TROUBLE = 10,   /* event: dpl_trouble */
	DPL_STRAY = 11,	    /* event: dpl_stray */
};

/* Every record begins with it. `length` counts the whole record. */
struct dpl_header {
	uint16_t type;
	uint16_t length;
	int32_t status; /* answers: 0, or -errno */
	uint64_t txn;
};

struct dpl_hello {
	struct dpl_header header;
	uint32_t version; /* DPL_VERSION; another is answered -EPROTO */
	uint32_t zero;
};

struct dpl_hello_answer {
	struct dpl_header header;
	uint32_t version;
	uint32_t capacity; /* sets */
	uint32_t sets;	   /* LIVE now */
	uint32_t workers;
	uint32_t ports;
	uint32_t zero;
	uint64_t store_epoch; /* random at each creation of the store; another one: all sets are lost */
	uint8_t boot_id[16];
};

/* What control needs to recognise a set after its own restart, kept in the store's cold part. */
struct dpl_set_name {
	uint64_t reference;	/* the client chose it */
	uint8_t content[32];	/* SHA-256 of INSTALL's content but the reference (keys too: never shown) */
	uint8_t fingerprint[8]; /* of the keys, for people: SHA-256(expanded key) cut */
	char peer[BGF_PEER_NAME_MAX + 1];
	char subscriber[BGF_SUBSCRIBER_MAX + 1];
	char registration_id[BGF_REGISTRATION_ID_MAX + 1];
	uint64_t installed;	       /* CLOCK_REALTIME, ns: for people */
	uint64_t replaces;	       /* the set id that CONFIRM replaces (BGF_SET_REPLACE), or 0 */
	uint8_t alg, ealg, mod, flags; /* bgf_sa.h */
	uint8_t removed; /* enum bgf_removed that will be the reason when a draining set ends; else 0 */
	uint8_t zero[3];
	uint32_t expires_s; /* the Expires of the last CONFIRM, s; a repeated CONFIRM gets the same answer */
	uint32_t drain_s;   /* the drain time of RELEASE, s */
	uint64_t last_reference; /* of the last CONFIRM or RELEASE */
	uint64_t instance_id;	 /* of the peer when it installed the set: RESTART releases those of others */
};

struct dpl_set_add {
	struct dpl_header header;
	struct bgf_set_selectors
		selectors; /* spi_pc and spi_ps are 0: the data plane draws them (rules 4, 5) */
	struct dpl_set_name name;
	uint64_t expires; /* CLOCK_BOOTTIME, ns; the data plane stores it, control's timers act on it */
	uint8_t state;	  /* enum bgf_set_state */
	uint8_t key_length;
	uint8_t zero[6];
	uint8_t auth_key[BGF_AUTH_KEY_MAX]; /* expanded (rule 11) */
};
/* Fails with -EEXIST when (UE, port_uc, served address, port_ps) or (UE, port_us, served address, port_pc) of
 * a live set is the same and flags lack BGF_SET_REPLACE: `clash` in the answer tells which. With
 * BGF_SET_REPLACE the old set keeps the outbound traffic until SET_UPDATE with `takes_over`; but that from
 * port_ps to port_uc is the new one's from its first good packet on, and the old one's (name.replaces) again
 * if the new one is removed before it left BGF_SET_TEMPORARY other than to BGF_SET_DRAINING (rule 6).
 * -ENOSPC: table full. -EADDRNOTAVAIL: not a served address. -EINVAL: anything else that is out of bounds. */

enum dpl_clash { DPL_CLASH_NONE, DPL_CLASH_PORT_UC, DPL_CLASH_PORT_US };

struct dpl_set_update {
	struct dpl_header header;
	uint64_t set_id;
	uint64_t expires;
	uint8_t state;
	uint8_t takes_over; /* 1: outbound traffic moves from the set with the same ports (name.replaces) to
			       this */
	uint8_t watch_first_use; /* 1: tell FIRST_USED at the next good inbound payload (rule 20); 0: as it is
				  */
	uint8_t zero[5];
	struct dpl_set_name name; /* replaces the stored one */
};

struct dpl_set_id {
	struct dpl_header header;
	uint64_t set_id;
};

struct dpl_cursor {
	struct dpl_header header;
	uint64_t from; /* 0 first, then what the answer's `next` says */
};

enum dpl_sa { DPL_SA_PS, DPL_SA_PC, DPL_SA_UC, DPL_SA_US, DPL_SA_COUNT }; /* named by their SPI (rule 1) */

struct dpl_sa_counters {
	uint64_t packets, octets; /* good ones; octets of the whole IP packet, ESP included */
	uint64_t sequence;	  /* inbound: top of the window; outbound: the last one sent */
};

struct dpl_set_state {
	uint64_t set_id; /* never 0, not used again while the store lives */
	struct bgf_set_selectors selectors;
	struct dpl_set_name name;
	uint64_t expires;
	uint8_t state;
	uint8_t clash;	    /* enum dpl_clash, with -EEXIST; set_id is then the set in the way */
	uint8_t first_used; /* 1: a good inbound payload came since `watch_first_use` */
	uint8_t owner;	    /* worker */
	uint8_t zero[4];
	struct dpl_sa_counters sa[DPL_SA_COUNT];
	uint64_t drops[BGF_DROP_COUNT]; /* those of scope SA; the rest 0 */
};

/* What the data plane found amiss with a set. */
enum dpl_trouble_kind {
	DPL_TROUBLE_SEQUENCE = 1, /* the sequence numbers of an SA run out; number: the highest one used */
	DPL_TROUBLE_ICV = 2,	  /* number: packets since it was told last whose ICV was wrong */
	DPL_TROUBLE_REPLAY = 3,	  /* number: packets since it was told last that were replays */
};

struct dpl_trouble {
	struct dpl_header header;
	uint64_t set_id;
	uint8_t kind; /* enum dpl_trouble_kind */
	uint8_t sa;   /* SEQUENCE: enum dpl_sa */
	uint8_t zero[6];
	uint64_t number;
};

/* Somebody sent ESP with an SPI of no live SA. */
struct dpl_stray {
	struct dpl_header header;
	struct bgf_addr source, served;
	uint32_t spi;	/* of the first packet since it was told last */
	uint32_t count; /* packets since then */
};

struct dpl_set_row {
	struct dpl_header header;
	struct dpl_set_state set;
};

struct dpl_set_rows {
	struct dpl_header header;
	uint64_t next; /* 0: these were the last */
	uint32_t count;
	uint32_t zero;
	struct dpl_set_state set[]; /* count; at most DPL_BATCH */
};

/* How busy a worker is: X(name), of the worker and no port. All but the rings only rise, so that two looks at
 * them give what was in between: busy_us / clock_us, busy_cycles / busy_packets, busy_packets / busy_turns.
 */
#define DPL_LOAD_LIST(X)                                                                    \
	X(clock_us)	  /* its clock */                                                   \
	X(busy_us)	  /* spent in turns that took packets */                            \
	X(busy_cycles)	  /* the same in TSC cycles */                                      \
	X(turns)	  /* of the poll loop */                                            \
	X(busy_turns)	  /* turns that took packets */                                     \
	X(busy_packets)	  /* taken from ports, other workers and the kernel */              \
	X(handover_queue) /* packets that wait for it in the ring from the other workers */ \
	X(outgoing_queue) /* finished packets that wait for a transmit queue it shares */   \
	X(kernel_queue)	  /* packets of all workers that wait for the main lcore and the kernel */
#define DPL_LOAD_FIELD(name) uint64_t name;
struct dpl_load {
	DPL_LOAD_LIST(DPL_LOAD_FIELD)
};
enum { DPL_LOADS = sizeof(struct dpl_load) / sizeof(uint64_t) };

/* What one worker counted on one port. */
struct dpl_counters {
	struct dpl_header header;
	uint64_t next;
	uint16_t port, worker;
	uint32_t zero;
	uint64_t rx_packets, rx_octets, tx_packets, tx_octets;
	uint64_t exceptions; /* handed to the kernel */
	uint64_t forwarded_esp, forwarded_clear;
	uint64_t rx_queue; /* packets that wait in its receive queue; UINT64_MAX where nobody can tell */
	uint64_t drops[BGF_DROP_COUNT];
	/* of the worker, not of the port: the same for all its ports */
	uint64_t poll_gap_us;		   /* µs in which it was kept from polling (poll_gap.h) */
	uint64_t poll_gaps[DPL_POLL_GAPS]; /* how often for 1 << i ms and more */
	struct dpl_load load;
};

struct dpl_port {
	struct dpl_header header;
	uint64_t next;
	uint16_t port;
	uint8_t access; /* 1: access side; 0: core side */
	uint8_t up;
	uint16_t mtu;
	uint16_t neighbours, routes; /* next hops that are resolved; routes of both families */
	uint8_t mac[6];
	char device[64];
	char tap[16];
	uint64_t rx_packets, tx_packets, rx_missed, rx_errors, tx_errors; /* as the driver counts */
};

static_assert(sizeof(struct dpl_set_row) <= 4096, "a record fits a page");

#endif
