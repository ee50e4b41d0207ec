/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IK and CK into the keys of ESP (TS 33.203 Annex I). Pure; any thread. Whoever holds a key wipes it.
 */
#ifndef CONTROL_KEYS_H
#define CONTROL_KEYS_H

#include <stdint.h>

#include "bgf_sa.h"

struct keys {
	uint8_t auth[BGF_AUTH_KEY_MAX];
	uint8_t auth_length; /* octets */
};

/* Expands for `alg` (rule 11). Returns 0, or -EOPNOTSUPP for an algorithm that the gateway does not do, and
 * leaves *ret_keys alone. */
int keys_expand(unsigned alg, const uint8_t ik[static BGF_IK_LEN], struct keys *ret_keys);
/* What people see of them: the first 8 octets of SHA-256 over the expanded key. 0 or -EIO. */
int keys_fingerprint(const struct keys *keys, uint8_t ret_fingerprint[static 8]);
void keys_wipe(struct keys *keys);

#endif
