/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the stages know of a packet beyond its mbuf: parsed once by classify, kept in the mbuf's dynamic
 * field, so that it goes along over rings.
 */
#ifndef BGF_DP_PKT_H
#define BGF_DP_PKT_H

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <stdint.h>

struct pkt {
	uint32_t ref;	   /* esp_in: the SPI (host order); esp_out: the tuple's bucket, then its reference */
	uint16_t served;   /* index of the served address */
	uint16_t payload;  /* octets from the end of the IP header to the end of the IP packet */
	uint8_t l3_len;	   /* octets of the IP header */
	uint8_t proto;	   /* IP protocol of the payload */
	uint8_t ipv6;	   /* 0 or 1 */
	uint8_t side;	   /* enum port_side it came from */
	uint8_t exception; /* enum exception_kind */
	uint8_t out_side;  /* enum port_side it leaves on; for EXCEPTION_NEIGHBOUR */
	uint16_t mtu;	   /* EXCEPTION_TOO_BIG: the largest IP packet that would have fitted */
	uint32_t seq;	   /* esp_in: ESP's sequence number, host order; esp_out: the tuple's tag */
	uint8_t secured;   /* 1: came out of an SA, or went into one */
};

/* Where it lies: the end of the room for dynamic fields, which drivers take from the front. A constant, so
 * that the path loads no offset for each access. */
enum { PKT_OFFSET = sizeof(struct rte_mbuf) - sizeof(struct pkt) };
static_assert(PKT_OFFSET >= offsetof(struct rte_mbuf, dynfield1) && PKT_OFFSET % alignof(struct pkt) == 0,
	      "fits the room for dynamic fields in an mbuf");

/* Takes that place: 0 or a negative errno. Main lcore, once after EAL is up. */
int pkt_register(void);

static inline struct pkt *pkt(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, PKT_OFFSET, struct pkt *);
}

#endif
