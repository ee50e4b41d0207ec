/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SHA-256, with what OpenSSL looks up for it looked up once: that costs more than the digest of something
 * short. One thread.
 */
#ifndef CONTROL_DIGEST_H
#define CONTROL_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_LEN = 32 };

/* 0 or -EIO. Nothing of the data stays behind. */
int digest_sha256(const void *data, size_t length, uint8_t ret[static DIGEST_LEN]);

#endif
