/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The HMACs alone, by OpenSSL: a keyed context an SA, as a program keeps it that has no more.
 */
#include "contender.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <rte_cycles.h>

enum { SHA1 = 20 };

struct openssl {
	EVP_MAC *mac;
	EVP_MAC_CTX **context; /* by UE */
	uint32_t done;
};

static EVP_MAC_CTX *context_of(EVP_MAC *mac, const struct field_key *key)
{
	char digest[] = "SHA1";
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				     OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

	if (ctx != NULL && EVP_MAC_init(ctx, key->key, FIELD_KEY, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

static void openssl_stop(struct contender *c)
{
	struct openssl *o = c->inside;

	if (o == NULL)
		return;
	for (uint32_t ue = 0; o->context != NULL && ue < c->field->args.ues; ue++)
		EVP_MAC_CTX_free(o->context[ue]);
	EVP_MAC_free(o->mac);
	free(o->context);
	free(o);
}

static int openssl_start(struct contender *c, char *error, size_t error_size)
{
	struct openssl *o = calloc(1, sizeof(*o));

	snprintf(error, error_size, "OpenSSL: no memory");
	if (o == NULL)
		return -ENOMEM;
	c->inside = o;
	snprintf(c->description, sizeof(c->description), "%s, EVP_MAC", OpenSSL_version(OPENSSL_VERSION));
	o->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	o->context = calloc(c->field->args.ues, sizeof(EVP_MAC_CTX *));
	if (o->mac == NULL || o->context == NULL)
		return -ENOMEM;
	for (uint32_t ue = 0; ue < c->field->args.ues; ue++) {
		o->context[ue] = context_of(o->mac, &c->field->key[ue]);
		if (o->context[ue] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static bool hmac(EVP_MAC_CTX *ctx, const struct rotation_packet *p, uint8_t *ret_icv)
{
	uint8_t full[SHA1];
	size_t length;

	if (EVP_MAC_init(ctx, NULL, 0, NULL) != 1 || EVP_MAC_update(ctx, p->hash, p->hash_length) != 1 ||
	    EVP_MAC_final(ctx, full, &length, sizeof(full)) != 1)
		return false;
	memcpy(ret_icv, full, ROTATION_ICV);
	return true;
}

static uint32_t openssl_round(struct contender *c, uint64_t *stamp)
{
	struct openssl *o = c->inside;
	const struct rotation *r = c->rotation;
	uint8_t icv[ROTATION_ICV];
	uint32_t bursts = 0;

	o->done = 0;
	stamp[0] = rte_rdtsc();
	for (uint32_t at = 0; at < r->args.buffers; at += c->burst) {
		for (uint32_t i = at; i < RTE_MIN(at + c->burst, r->args.buffers); i++) {
			const struct rotation_packet *p = &r->packet[i];
			o->done += hmac(o->context[p->ue], p, r->args.inbound ? icv : p->icv);
		}
		stamp[++bursts] = rte_rdtsc();
	}
	return bursts;
}

static uint32_t openssl_check(const struct contender *c)
{
	return ((const struct openssl *)c->inside)->done;
}

const struct contender_type contender_openssl = {
	.name = "openssl",
	.start = openssl_start,
	.round = openssl_round,
	.check = openssl_check,
	.stop = openssl_stop,
};
