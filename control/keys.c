/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/keys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "control/digest.h"

enum { HMAC_SHA_1_KEY_LEN = 20 };

int keys_expand(unsigned alg, const uint8_t ik[static BGF_IK_LEN], struct keys *ret_keys)
{
	if (alg != BGF_ALG_HMAC_SHA_1_96)
		return -EOPNOTSUPP;
	/* Annex I: IK || 32 zero bits, 160 bits in all. */
	memset(ret_keys, 0, sizeof(*ret_keys));
	memcpy(ret_keys->auth, ik, BGF_IK_LEN);
	ret_keys->auth_length = HMAC_SHA_1_KEY_LEN;
	return 0;
}

int keys_fingerprint(const struct keys *keys, uint8_t ret_fingerprint[static 8])
{
	uint8_t digest[DIGEST_LEN];

	if (digest_sha256(keys->auth, keys->auth_length, digest) != 0)
		return -EIO;
	memcpy(ret_fingerprint, digest, 8);
	OPENSSL_cleanse(digest, sizeof(digest));
	return 0;
}

void keys_wipe(struct keys *keys)
{
	OPENSSL_cleanse(keys, sizeof(*keys));
}
