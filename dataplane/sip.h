/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The little of SIP (RFC 3261 7, 25) that the border's policy looks at, on untrusted octets: one datagram, or
 * one segment of a TCP stream, which may begin and end anywhere. Pure; reads no octet beyond `length`.
 */
#ifndef BGF_DP_SIP_H
#define BGF_DP_SIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the first line is, after the CRLFs that may precede it. */
enum sip_first {
	SIP_UNREADABLE, /* a keep-alive, SigComp, the middle of a stream, nothing at all */
	SIP_REGISTER,
	SIP_REQUEST, /* another request */
	SIP_RESPONSE,
};
enum sip_first sip_first(const uint8_t *data, size_t length);

/* Whether it holds a REGISTER that answers a challenge (rule 29): with Security-Verify, or with credentials
 * that have a response and no auts. */
bool sip_answers_challenge(const uint8_t *data, size_t length);

#endif
