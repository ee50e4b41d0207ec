/* SPDX-License-Identifier: BSD-3-Clause
 *
 * INSTALL's content: out of the message, judged by itself (rules 4, 5, 7, 13), and its digest, by which a
 * repetition is recognised. Pure. What it has to do with other sets is admit.h.
 */
#ifndef CONTROL_INSTALL_H
#define CONTROL_INSTALL_H

#include "config/config.h"
#include "zb/codec.h"

struct install {
	uint64_t reference;
	uint64_t via_set;
	char subscriber[BGF_SUBSCRIBER_MAX + 1];
	char registration_id[BGF_REGISTRATION_ID_MAX + 1];
	struct bgf_set_selectors selectors;
	uint8_t alg, ealg, mod, flags;
	uint8_t ik[BGF_IK_LEN], ck[BGF_CK_LEN];
	bool has_ck;
	uint16_t await_auth_s; /* 0: as configured */
};

/* Why a request is refused: cause, attribute and a sentence for people. */
struct refusal {
	struct zb_fault fault;
	char text[160];
};

/* Fills a refusal; the text is a format. Returns -EREMOTEIO, to be returned. */
int refuse(struct refusal *r, unsigned cause, unsigned attribute, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void install_get(const struct zb_attrs *attrs, struct install *ret_install);
void install_wipe(struct install *in);

/* Returns 0, or -EREMOTEIO with *ret_refusal. */
int install_check(const struct install *in, const struct bgf_config *config, struct refusal *ret_refusal);

/* SHA-256 over all but the reference. 0 or -EIO. */
int install_digest(const struct install *in, uint8_t ret_digest[static 32]);

/* What the codec calls a bad value, in the words of the rules: port 0 is BAD_PORT (rule 7), a reserved SPI
 * BAD_SPI (rule 5). */
void install_refine_fault(struct refusal *r);

#endif
