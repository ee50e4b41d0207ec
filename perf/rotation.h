/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The packet buffers that are used over and over, and what is in them. Before each timed round all of them
 * are prepared anew: the next UEs, fresh sequence numbers, ICVs. So every round meets the same state, whoever
 * was there before.
 */
#ifndef BGF_PERF_ROTATION_H
#define BGF_PERF_ROTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "field.h"

struct IMB_MGR;

enum { ROTATION_MAX = 4096, ROTATION_ICV = 12, ROTATION_TRAILER = 16 };

/* What a reference needs of a packet: the octets under the HMAC and where it goes. */
struct rotation_packet {
	uint8_t *hash, *icv;
	uint32_t hash_length, ue;
};

struct rotation_args {
	uint32_t buffers;
	bool inbound, ipv6, tcp;
	uint16_t length; /* of the plain IP packets; 0: IMIX */
};

struct rotation {
	struct rotation_args args;
	struct rte_mbuf **m;
	struct rte_mbuf **sent; /* room for what a worker sends */
	struct rotation_packet *packet;
	uint16_t *length; /* of the plain IP packet, by buffer */
	double mean_length;
	struct IMB_MGR *manager; /* its own, for ICVs */
	uint8_t template[96];	 /* Ethernet, IP and transport headers of the plain packet */
	uint16_t l3_len, l4_len;
};

/* NULL when there are no buffers left. */
struct rotation *rotation_new(const struct rotation_args *args);
void rotation_free(struct rotation *r);

/* Writes all packets anew, for the UEs from `at` on of a walk. */
void rotation_prepare(struct rotation *r, struct field *f, const struct walk *walk, uint64_t at);

/* Whether what was sent is right: as many as there were, and each of them what was to become of it. Returns
 * how many are. */
uint32_t rotation_check(const struct rotation *r, const struct field *f, uint32_t sent);

#endif
