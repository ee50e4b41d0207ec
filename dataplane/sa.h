/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the packet path reads and writes of an SA set: one cache line that the four SAs share, one line an SA.
 * These lines lie in the SA store (store.h) and outlive the process.
 */
#ifndef BGF_DP_SA_H
#define BGF_DP_SA_H

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>

enum { SA_LINE = 64, SA_HMAC_STATE = 20 /* octets of a SHA-1 state (FIPS 180-4) */, SA_WINDOW = 128 };

/* hot->flags */
enum {
	SA_TEMPORARY = 1 << 0, /* rule 16 applies */
	SA_IPV6 = 1 << 1,
	SA_WATCH_FIRST =
		1 << 2, /* tell the main lcore of the next good inbound payload (rule 20); owner clears */
	SA_TCP = 1
		 << 3, /* it carried TCP, of which something may be left when it goes (rule 24); owner sets */
	SA_WATCH_KEYS = 1 << 4, /* tell the main lcore of the next good inbound packet while SA_TEMPORARY: its
				   sender has this set's keys (rule 6); owner clears */
};

/* Written by the main lcore before publishing; afterwards `flags` alone changes (one byte, release store).
 * Read by the owner. */
struct sa_shared {
	alignas(SA_LINE) uint8_t inner[SA_HMAC_STATE]; /* SHA-1 of key ^ ipad, as ipsec-mb wants it */
	uint8_t outer[SA_HMAC_STATE];
	uint8_t ue[16];	 /* as bgf_addr.octet */
	uint16_t served; /* index into the served addresses of this run (served.h) */
	uint8_t flags;
	uint8_t owner; /* worker */
	uint8_t spare[4];
};

/* An inbound SA. Everything but spi and ports is the owner's alone. */
struct sa_in {
	alignas(SA_LINE) uint32_t spi; /* host order; 0: none. Published last, cleared first */
	uint16_t port_ue, port_local;  /* network order, as in the packet: source, destination */
	uint32_t top;		       /* highest good sequence number; 0: none yet */
	uint32_t spare;
	uint64_t window[2]; /* bit (seq mod 128), counted through both: seq was seen (replay.h) */
	uint64_t packets, octets;
	uint8_t spare2[16];
};

/* An outbound SA. */
struct sa_out {
	alignas(SA_LINE) uint32_t spi; /* network order, as in the packet */
	uint16_t port_local, port_ue;  /* network order: source, destination */
	uint32_t last;		       /* sequence number sent last; stored before its packet is sent */
	uint32_t spare;
	uint64_t packets, octets;
	uint8_t spare2[32];
};

/* One set's hot memory. in[] is indexed by enum bgf_spi_which: in[0] ps (from port_uc to port_ps), in[1] pc
 * (from port_us to port_pc). out[0] is uc (port_ps to port_uc), out[1] us (port_pc to port_us). */
struct sa_hot {
	struct sa_shared shared;
	struct sa_in in[2];
	struct sa_out out[2];
};

static_assert(sizeof(struct sa_shared) == SA_LINE, "one line a set");
static_assert(sizeof(struct sa_in) == SA_LINE && sizeof(struct sa_out) == SA_LINE, "one line an SA");
static_assert(sizeof(struct sa_hot) == 320, "hot memory of a set, PERFORMANCE.md");

#endif
