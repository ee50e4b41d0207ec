/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl: the operators' and integrators' command line, a client of Zb over libzb and nothing else.
 */
#ifndef BGFCTL_H
#define BGFCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "zb.h"

/* Every option once: X(NAME, long name, what its argument is or NULL, help) */
#define CTL_OPTION_LIST(X)                                                                                 \
	X(SOCKET, "socket", "PATH", "Zb socket of the gateway (default " ZB_DEFAULT_PATH ")")              \
	X(PEER, "peer", "NAME",                                                                            \
	  "associate under this name (default bgfctl): the P-CSCF whose sets are meant")                   \
	X(WAIT, "wait", "MS", "how long to wait for an answer (default 2000)")                             \
	X(JSON, "json", NULL, "JSON for programs instead of tables")                                       \
	X(HELP, "help", NULL, "help, also for one command")                                                \
	X(VERSION, "version", NULL, "version")                                                             \
	X(ALL, "all", NULL, "rows that are zero too")                                                      \
	X(COUNT, "count", "N", "end after N events, or views")                                             \
	X(INTERVAL, "interval", "MS", "from one view to the next (default 1000)")                          \
	X(SUBSCRIBER, "subscriber", "IMPI", "the private identity")                                        \
	X(REGISTRATION_ID, "registration-id", "ID", "one of several registrations of one IMPI")            \
	X(UE, "ue", "ADDRESS", "the UE's address")                                                         \
	X(PORT, "port", "PORT", "port_uc or port_us")                                                      \
	X(SERVED, "served", "ADDRESS", "the P-CSCF's Gm address")                                          \
	X(PORT_UC, "port-uc", "PORT", "the UE's protected client port")                                    \
	X(PORT_US, "port-us", "PORT", "the UE's protected server port")                                    \
	X(PORT_PC, "port-pc", "PORT", "the P-CSCF's protected client port")                                \
	X(PORT_PS, "port-ps", "PORT", "the P-CSCF's protected server port")                                \
	X(SPI_UC, "spi-uc", "SPI", "spi-c of the UE's Security-Client")                                    \
	X(SPI_US, "spi-us", "SPI", "spi-s of the UE's Security-Client")                                    \
	X(ALG, "alg", "NAME", "integrity algorithm (default hmac-sha-1-96)")                               \
	X(EALG, "ealg", "NAME", "encryption algorithm (default null)")                                     \
	X(MOD, "mod", "NAME", "mode (default trans)")                                                      \
	X(KEYS, "keys", "FILE", "file with the lines ik=HEX and, if need be, ck=HEX; - is standard input") \
	X(AWAIT_AUTH, "await-auth", "S", "life of a temporary set (default: the gateway's, 4 min)")        \
	X(VIA_SET, "via-set", "ID", "the set on which the 401 travels")                                    \
	X(BEGAN_UNPROTECTED, "began-unprotected", NULL, "the REGISTER came in the clear")                  \
	X(EMERGENCY, "emergency", NULL, "an emergency registration")                                       \
	X(REPLACE, "replace", NULL, "replace a set with the same ports at CONFIRM")                        \
	X(REFERENCE, "reference", "N", "makes the request repeatable (default: random)")                   \
	X(EXPIRES, "expires", "S", "Expires of the 200 OK")                                                \
	X(DRAIN, "drain", "S", "how long the set still works (default 0)")

#define CTL_OPTION_ENUM(NAME, name, argument, help) CTL_OPT_##NAME,
enum ctl_option { CTL_OPTION_LIST(CTL_OPTION_ENUM) CTL_OPT_END };
#define CTL_BIT(NAME) (UINT64_C(1) << CTL_OPT_##NAME)

/* One run of bgfctl. */
struct ctl {
	const char *option[CTL_OPT_END]; /* the argument, "" for an option without one, NULL: not given */
	const char *argument;		 /* of the command: a set's id */
	bool json;
	struct zb *zb;
	struct zb_error error;
};

/* Commands; each returns the exit status. bgfctl_show.c, bgfctl_counters.c, bgfctl_top.c, bgfctl_set.c,
 * bgfctl_events.c, bgfctl_audit.c */
int show_sets(struct ctl *c);
int show_set(struct ctl *c);
int show_counters(struct ctl *c);
int show_ports(struct ctl *c);
int show_peers(struct ctl *c);
int show_gateway(struct ctl *c);
int show_workers(struct ctl *c);
int follow_workers(struct ctl *c);
int follow_events(struct ctl *c);
int audit_sets(struct ctl *c);
int set_install(struct ctl *c);
int set_confirm(struct ctl *c);
int set_release(struct ctl *c);

/* All rows of COUNTERS, in the caller's memory; free(row) ends them. 0 or what libzb said. */
struct ctl_stats {
	struct zb_stat *row;
	size_t count, room;
};
int ctl_fetch_stats(struct ctl *c, struct ctl_stats *ret);
/* The sentence of a drop reason by its name; NULL for another counter. */
const char *ctl_drop_sentence(const char *name);

/* One set: everything about it. */
void print_set(const struct ctl *c, const struct zb_set *set);
void json_selectors(const struct bgf_set_selectors *s);

/* Says what went wrong in a call of libzb, and what may help. Returns the exit status. */
int ctl_failed(const struct ctl *c, int error);

/* An option's argument, or `otherwise` if it was not given. They end the program with status 2 and a sentence
 * when it is not allowed. */
uint64_t ctl_number(const struct ctl *c, enum ctl_option option, uint64_t least, uint64_t most,
		    uint64_t otherwise);
/* Leaves *ret alone if it was not given. */
void ctl_address(const struct ctl *c, enum ctl_option option, struct bgf_addr *ret);
/* The command's argument. */
uint64_t ctl_set_id(const struct ctl *c);
/* "--port-uc" */
const char *ctl_option_name(enum ctl_option option);
/* Ends the program with status 2. */
void ctl_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
