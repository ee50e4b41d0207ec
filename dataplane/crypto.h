/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The crypto of a burst: all jobs of a stage go in at once and come back at once. It is intel-ipsec-mb,
 * called directly, one manager a worker; OpenSSL is the oracle of the tests.
 */
#ifndef BGF_DP_CRYPTO_H
#define BGF_DP_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sa.h"

struct crypto;

enum { CRYPTO_BURST = 64, CRYPTO_ICV = 12 /* octets of HMAC-SHA-1-96 (RFC 2404) */ };

/* One HMAC-SHA-1-96: over `length` octets of `data`, under the states of `key`, to 12 octets at `icv`. */
struct crypto_job {
	const uint8_t *data;
	const struct sa_shared *key;
	uint8_t *icv;
	uint32_t length; /* 1 to 65535 */
};

/* Makes a worker's crypto: measures which of the library's implementations does best on this processor
 * (a few milliseconds), so call it on the worker's own kind of core. 0, -ENOMEM, -ENOTSUP (the processor
 * lacks what the library needs at least). Main lcore. */
int crypto_new(int socket, struct crypto **ret);
void crypto_free(struct crypto *c);

/* What was chosen, for the log: "intel-ipsec-mb 1.3.0, AVX512". Lives as long as *c. */
const char *crypto_describe(const struct crypto *c);

/* Does n jobs, up to CRYPTO_BURST. Returns a bit for each one that is done, by index; a job whose bit is not
 * set has no valid ICV. Its worker only. */
uint64_t crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n);

/* Compares two ICVs in a time that does not depend on what they hold. */
static inline bool crypto_icv_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t head[2];
	uint32_t tail[2];

	memcpy(&head[0], a, sizeof(head[0]));
	memcpy(&head[1], b, sizeof(head[1]));
	memcpy(&tail[0], a + sizeof(head[0]), sizeof(tail[0]));
	memcpy(&tail[1], b + sizeof(head[0]), sizeof(tail[1]));
	return ((head[0] ^ head[1]) | (tail[0] ^ tail[1])) == 0;
}

/* HMAC's precomputed states (RFC 2104 section 4) of a SHA-1 key, as crypto_burst wants them. 0, or -EINVAL
 * for a key of 0 or more than 64 octets. Any thread. */
int crypto_precompute(const uint8_t *key, size_t length, uint8_t ret_inner[SA_HMAC_STATE],
		      uint8_t ret_outer[SA_HMAC_STATE]);

#endif
