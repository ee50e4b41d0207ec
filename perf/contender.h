/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who takes part in a comparison: the product, and what it is measured against. All do their work on the same
 * buffers, burst by burst.
 */
#ifndef BGF_PERF_CONTENDER_H
#define BGF_PERF_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "field.h"
#include "rotation.h"

enum { CONTENDER_STAMPS = ROTATION_MAX + 1 };

struct contender;

struct contender_type {
	const char *name;
	bool product; /* reads and writes the product's own SA lines */
	/* 0, or a negative errno with a sentence in error[]. */
	int (*start)(struct contender *c, char *error, size_t error_size);
	/* Works through all buffers; leaves the TSC at the begin and after each burst in stamp[]. Returns how
	 * many bursts there were. */
	uint32_t (*round)(struct contender *c, uint64_t *stamp);
	/* How many packets of the last round came out right. */
	uint32_t (*check)(const struct contender *c);
	void (*stop)(struct contender *c);
};

struct contender {
	const struct contender_type *type;
	struct field *field;
	struct rotation *rotation;
	uint16_t burst;
	uint16_t worker; /* whose walk it goes */
	void *inside;
	char description[96];
};

/* The product's stages: whole; without crypto; and with cycles wasted (ours_waste). */
extern const struct contender_type contender_ours, contender_nocrypto, contender_slowed;
/* intel-ipsec-mb alone, by the fastest of its ways, which start() finds out. */
extern const struct contender_type contender_raw;
/* OpenSSL's HMAC, a context an SA. */
extern const struct contender_type contender_openssl;
/* DPDK's librte_ipsec with crypto_aesni_mb, lookaside. */
extern const struct contender_type contender_librte;

/* TSC cycles a packet that contender_ours wastes in its last stage, and contender_slowed besides. */
enum { OURS_SLOWED = 50 };
void ours_waste(uint32_t cycles);

#endif
