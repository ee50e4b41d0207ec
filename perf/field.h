/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A data plane without NICs and without a control daemon: store, tables and workers are the product's own,
 * and so is the way in which the UEs' sets get in (sets_add). Beside it is what the UEs and the references
 * know, in memory of their own, so that preparing packets does not touch the product's SA lines.
 */
#ifndef BGF_PERF_FIELD_H
#define BGF_PERF_FIELD_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/sa.h"
#include "memport.h"

struct rte_mempool;
struct worker;

enum { FIELD_WORKERS_MAX = MEMPORT_QUEUES, FIELD_KEY = 20 };
enum { FIELD_PS = 6062, FIELD_PC = 6060, FIELD_UC = 5062, FIELD_US = 5064 };

/* HMAC states of a UE's SAs as a reference has them: one line, as short as it can be. */
struct field_key {
	alignas(64) uint8_t inner[SA_HMAC_STATE], outer[SA_HMAC_STATE], key[FIELD_KEY];
};

/* What the generator of packets knows of a UE. One SA a direction is used: ps, uc of UEs with an even number,
 * pc, us of the others. */
struct field_ue {
	alignas(64) uint8_t inner[SA_HMAC_STATE], outer[SA_HMAC_STATE];
	uint32_t spi_in;   /* host order; the gateway chose it */
	uint32_t sequence; /* used last, inbound */
};

struct field_args {
	uint32_t ues;
	bool ipv6;
	uint16_t workers;
};

/* The UEs of one worker in random order: round after round goes on where the last one ended, so that each is
 * visited before any is visited again. */
struct walk {
	uint32_t *ue;
	uint32_t count;
	uint64_t at;   /* where the current group of rounds began */
	uint64_t next; /* where the product's next round begins */
};

struct field {
	struct field_args args;
	struct field_ue *ue;
	struct field_key *key;
	struct walk walk[FIELD_WORKERS_MAX];
	struct worker *worker[FIELD_WORKERS_MAX];
	double bytes_per_ue; /* of the data plane: store and tables */
	bool huge;	     /* the store lies on huge pages */
	struct field_inside *inside;
};

/* EAL, pool and ports; once a process. `slow` of the fast path is in ours.h. 0, or a negative errno with a
 * sentence in error[]. */
int field_eal(char *error, size_t error_size);
struct rte_mempool *field_pool(void);
const struct port *field_port(enum port_side side);

/* Installs the UEs, a few microseconds each. NULL with a sentence in error[]. */
struct field *field_new(const struct field_args *args, char *error, size_t error_size);
void field_free(struct field *f);

/* A UE's address and the served one, 4 or 16 octets. */
void field_ue_address(uint32_t ue, bool ipv6, uint8_t ret[16]);
void field_served_address(bool ipv6, uint8_t ret[16]);

#endif
