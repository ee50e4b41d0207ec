/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HMAC-SHA-1-96 in bursts (RFC 2404), by intel-ipsec-mb called directly. It shares no code with the gateway:
 * a mistake there must not be made here too.
 */
#ifndef PKTGEN_HMAC_H
#define PKTGEN_HMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HMAC_STATE = 20, HMAC_ICV = 12, HMAC_BURST = 64, HMAC_KEY = 20 };

/* A key as it is used: SHA-1 of key ^ ipad and of key ^ opad (RFC 2104 section 4). */
struct hmac_key {
	uint8_t inner[HMAC_STATE], outer[HMAC_STATE];
};

struct hmac_job {
	const uint8_t *data;
	const struct hmac_key *key;
	uint8_t *icv; /* HMAC_ICV octets */
	uint32_t length;
};

struct hmac;

/* Takes the fastest implementation for this processor. 0, -ENOMEM, -ENOTSUP. */
int hmac_new(struct hmac **ret);
void hmac_free(struct hmac *h);
const char *hmac_describe(const struct hmac *h);

/* Does n jobs, at most HMAC_BURST. False: the library did not finish one of them. */
bool hmac_burst(struct hmac *h, const struct hmac_job *jobs, unsigned n);

/* Any thread. */
void hmac_expand(const uint8_t key[HMAC_KEY], struct hmac_key *ret);
/* SHA-1's compression of one block of 64 octets from its initial state: what keys are drawn with. */
void hmac_sha1_block(const uint8_t block[64], uint8_t ret[HMAC_STATE]);

#endif
