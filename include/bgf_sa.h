/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words of TS 33.203 that both daemons and the P-CSCF share: the set of four security associations that
 * one authentication yields, its algorithms and its states.
 */
#ifndef BGF_SA_H
#define BGF_SA_H

#include <stdint.h>

#include "bgf_addr.h"

/* Annex H: the `alg`, `ealg` and `mod` parameters of Security-Client and Security-Server.
 * X(name, number on Zb and in the store, text in SIP) */
#define BGF_ALG_LIST(X)                      \
	X(NONE, 0, "null")                   \
	X(HMAC_SHA_1_96, 1, "hmac-sha-1-96") \
	X(HMAC_MD5_96, 2, "hmac-md5-96")     \
	X(AES_GMAC, 3, "aes-gmac")
#define BGF_EALG_LIST(X)                   \
	X(NONE, 0, "null")                 \
	X(AES_CBC, 1, "aes-cbc")           \
	X(DES_EDE3_CBC, 2, "des-ede3-cbc") \
	X(AES_GCM, 3, "aes-gcm")
#define BGF_MOD_LIST(X)      \
	X(TRANS, 0, "trans") \
	X(UDP_ENC_TUN, 1, "UDP-enc-tun")

/* The life of a set (rules 14 to 23). X(name, number, text) */
#define BGF_SET_STATE_LIST(X)                                                                           \
	X(TEMPORARY, 1, "temporary")	 /* after the 401; only the REGISTER exchange (rules 14, 16) */ \
	X(ESTABLISHED, 2, "established") /* after the 200 OK (rule 18) */                               \
	X(SUPERSEDED, 3, "superseded")	 /* a newer set took over; both work until it ends (rule 20) */ \
	X(DRAINING, 4, "draining")	 /* released; answers may still pass (rules 22, 23) */

/* Why a set ended, as the event 'removed' and the logs say it. X(name, number, text) */
#define BGF_REMOVED_LIST(X)                                                                         \
	X(RELEASED, 1, "released by its P-CSCF")                                                    \
	X(REPLACED, 2, "replaced by a set that was confirmed on the same ports")                    \
	X(NEW_CHALLENGE, 3, "a new challenge to the same subscriber (rule 15)")                     \
	X(OPERATOR, 4, "released by an operator")                                                   \
	X(NEW_INSTANCE, 5, "its P-CSCF started anew and released what it had")                      \
	X(BEGAN_UNPROTECTED, 6, "a registration that began unprotected was confirmed (rule 21)")    \
	X(GAVE_WAY, 7, "superseded, and a newer set of its registration needed its place (rule 6)") \
	X(PEER_GONE, 8, "its P-CSCF had no connection for peer_gone_s")

#define BGF_ALG_ENUM(name, number, text)       BGF_ALG_##name = (number),
#define BGF_EALG_ENUM(name, number, text)      BGF_EALG_##name = (number),
#define BGF_MOD_ENUM(name, number, text)       BGF_MOD_##name = (number),
#define BGF_SET_STATE_ENUM(name, number, text) BGF_SET_##name = (number),
#define BGF_REMOVED_ENUM(name, number, text)   BGF_REMOVED_##name = (number),
enum bgf_alg { BGF_ALG_LIST(BGF_ALG_ENUM) };
enum bgf_ealg { BGF_EALG_LIST(BGF_EALG_ENUM) };
enum bgf_mod { BGF_MOD_LIST(BGF_MOD_ENUM) };
enum bgf_set_state { BGF_SET_STATE_LIST(BGF_SET_STATE_ENUM) };
enum bgf_removed { BGF_REMOVED_LIST(BGF_REMOVED_ENUM) };

/* The text of a number, or "?" for one that is not in its list. Static storage; any thread. */
const char *bgf_alg_text(unsigned alg);
const char *bgf_ealg_text(unsigned ealg);
const char *bgf_mod_text(unsigned mod);
const char *bgf_set_state_text(unsigned state);
const char *bgf_removed_text(unsigned why);

enum {
	BGF_IK_LEN = 16, /* octets (TS 33.102 6.3) */
	BGF_CK_LEN = 16,
	BGF_AUTH_KEY_MAX = 32, /* expanded keys, octets (Annex I) */
	BGF_CIPHER_KEY_MAX = 32,
	BGF_SUBSCRIBER_MAX = 127, /* octets of an IMPI, without the NUL */
	BGF_REGISTRATION_ID_MAX = 63,
	BGF_PEER_NAME_MAX = 31,
	BGF_SPI_MIN = 256, /* RFC 4303 2.1: 0 to 255 are reserved (rule 5) */
};

/* INSTALL's flags. */
enum bgf_set_flag {
	BGF_SET_BEGAN_UNPROTECTED = 1 << 0, /* the REGISTER that led here came in the clear (rules 21, 26) */
	BGF_SET_EMERGENCY = 1 << 1,	    /* an emergency registration: served first under load */
	BGF_SET_REPLACE = 1 << 2,	    /* ports in use: replace their set at CONFIRM (rule 6) */
};

/* The selectors of a set and the SPIs of its four SAs (rules 1, 2, 4). Ports and SPIs in host byte order. */
struct bgf_set_selectors {
	struct bgf_addr ue;
	struct bgf_addr served;	   /* the P-CSCF's Gm address, behind the gateway */
	uint16_t port_uc, port_us; /* the UE's protected client and server port */
	uint16_t port_pc, port_ps; /* the P-CSCF's */
	uint32_t spi_uc, spi_us;   /* chosen by the UE: outbound server, outbound client */
	uint32_t spi_pc, spi_ps; /* chosen by the gateway: inbound client, inbound server; 0 before it did */
};

#endif
