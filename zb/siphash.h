/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SipHash-2-4 with a result of 64 bits (Aumasson and Bernstein, 2012). Pure.
 */
#ifndef ZB_SIPHASH_H
#define ZB_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const uint8_t key[static 16], const void *data, size_t length);

#endif
