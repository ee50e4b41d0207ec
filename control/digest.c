/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/digest.h"

#include <errno.h>
#include <openssl/evp.h>

int digest_sha256(const void *data, size_t length, uint8_t ret[static DIGEST_LEN])
{
	static EVP_MD *sha256;
	static EVP_MD_CTX *context;

	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (context == NULL)
		context = EVP_MD_CTX_new();
	/* The last step wipes the block that held the data. */
	if (sha256 == NULL || context == NULL || EVP_DigestInit_ex2(context, sha256, NULL) != 1 ||
	    EVP_DigestUpdate(context, data, length) != 1 || EVP_DigestFinal_ex(context, ret, NULL) != 1)
		return -EIO;
	return 0;
}
