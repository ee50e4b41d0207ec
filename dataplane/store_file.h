/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store's file as such: its header, and what is done with a file that is refused. For store.c.
 */
#ifndef BGF_DP_STORE_FILE_H
#define BGF_DP_STORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "bgf_dplink.h"

#define STORE_MAGIC "BGFsets" /* with its NUL: 8 octets */

enum {
	STORE_LAYOUT = 2, /* steps with every change of sa_hot, store_cold or this header */
	STORE_HEADER_SIZE = 4096,
};

/* At the begin of the file. Fixed once made, but for what comes after the checksum. */
struct store_header {
	char magic[8];
	uint32_t layout;
	uint32_t capacity;
	uint32_t slot_bits, generation_bits; /* SPI layout */
	uint32_t hot_size, cold_size;	     /* of one record */
	uint32_t drops;			     /* reasons that a record counts */
	uint32_t zero;
	uint64_t epoch;
	uint8_t boot_id[16];
	uint32_t checksum; /* of all before it */
	uint32_t zero2;
	uint64_t set_sequence;	      /* of the last set id given; main lcore */
	struct dpl_set_update change; /* store_change */
};

uint32_t store_header_checksum(const struct store_header *h);

/* Copies the header out of a file of `size` octets; zeros where it is shorter. 0 or a negative errno. */
int store_file_head(int fd, size_t size, size_t page, struct store_header *ret_head);

/* Overwrites all that may hold keys, cuts the file to its header's page and renames it to PATH.refused, in
 * the place of an earlier one. 0 or a negative errno; then the file is still where it was. */
int store_file_set_aside(int fd, const char *path, size_t size, size_t page);

#endif
