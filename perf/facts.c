/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The process as a whole: start, and what machine and product are.
 */
#include "series.h"

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_version.h>

#include "contender.h"
#include "dataplane/sa.h"
#include "dataplane/worker.h"
#include "field.h"

int series_start(char *error, size_t error_size)
{
	return field_eal(error, error_size);
}

void series_waste(uint32_t cycles)
{
	ours_waste(cycles);
}

const char *series_fact(unsigned n, const char **ret_name)
{
	static char text[64];
	static const char *const names[] = {"dpdk",   "intel_ipsec_mb",	   "openssl",
					    "tsc_hz", "hot_bytes_per_set", "product_burst",
					    "product"};

	if (n >= sizeof(names) / sizeof(names[0]))
		return NULL;
	*ret_name = names[n];
	switch (n) {
	case 0:
		return rte_version();
	case 1:
		return imb_get_version_str();
	case 2:
		return OpenSSL_version(OPENSSL_VERSION);
	case 3:
		snprintf(text, sizeof(text), "%llu", (unsigned long long)rte_get_tsc_hz());
		return text;
	case 4:
		snprintf(text, sizeof(text), "%zu", sizeof(struct sa_hot));
		return text;
	case 5:
		snprintf(text, sizeof(text), "%d", WORKER_BURST);
		return text;
	default:
		return BGF_VERSION;
	}
}
